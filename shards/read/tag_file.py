"""Classes of the clips of a shard folder that stand beside it, not in its index: `curate tag` writes them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.errors import InputError
from egocurate.shards.read.index_columns import ListColumn, lists, one_array
from egocurate.storage.paths import TABLE_BYTES, AnyPath, file_sizes, read_bytes
from egocurate.text_choices import OWN_TAGS

TAGS_FORMAT = "egocurate-tags/1"
TAG_COLUMNS = ("tag_verb", "tag_noun")

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_FILE = re.compile(rf"tags-({_NAME.pattern})\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class TagNote:
    """What tags are of: how many classes, which lexicon and tagger gave them, of which index, and in which file."""

    num_verbs: int
    num_nouns: int
    lexicon: str
    tagged_with: str
    index: str
    samples: int
    bytes: int
    sha256: str

    def check(self) -> None:
        """Raise ValueError for what cannot be."""
        counts = (self.num_verbs, self.num_nouns, self.samples, self.bytes)
        if not all(type(count) is int and count >= 0 for count in counts):
            raise ValueError("a count is none")
        if not all(isinstance(text, str) for text in (self.lexicon, self.tagged_with, self.index)):
            raise ValueError("a digest is none")
        if not (isinstance(self.sha256, str) and _DIGEST.fullmatch(self.sha256)):
            raise ValueError(f"sha256 is {self.sha256!r}")


def check_tags_name(name: str) -> None:
    """Raise InputError for a name that files of tags cannot have."""
    if not _NAME.fullmatch(name) or name == OWN_TAGS:
        raise InputError(f"tags {name!r}: a name has letters, digits, -, _ and ., 64 at most, and is not {OWN_TAGS!r}")


def note_file(folder: AnyPath, name: str) -> AnyPath:
    """Return where the note of some tags stands, the file that is written last."""
    return folder / f"tags-{name}.json"


def tags_file(folder: AnyPath, name: str) -> AnyPath:
    """Return where the classes of some tags stand."""
    return folder / f"tags-{name}.parquet"


def tag_names(folder: AnyPath) -> list[str]:
    """Return the names of the tags that stand beside an index."""
    return sorted(found[1] for name in file_sizes(folder) if (found := _FILE.fullmatch(name)))


def read_tag_note(folder: AnyPath, name: str) -> TagNote | None:
    """Return the note of some tags, None where there are none of that name; raises InputError for what is no note."""
    path = note_file(folder, name)
    try:
        values = json.loads(read_bytes(path))
        if values.pop("format") != TAGS_FORMAT:
            raise ValueError("it has another format")
        note = TagNote(**values)
        note.check()
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is no note of tags ({error}): delete it, and run `curate tag` again") from error
    return note


def read_tags(folder: AnyPath, name: str, index: str, samples: int) -> tuple[TagNote, dict[str, ListColumn]]:
    """Return the note and the columns of some tags; `index` is the digest of the index that they must be of.

    Raises InputError where there are none of that name, of another index, or other bytes than were written.
    """
    check_tags_name(name)
    note = read_tag_note(folder, name)
    again = f"run `curate tag {folder}` again"
    if note is None:
        there = ", ".join(tag_names(folder)) or "none"
        raise InputError(f"{folder} has no tags {name!r} (there are {there}): make them with `curate tag {folder}`")
    if note.index != index or note.samples != samples:
        raise InputError(f"{note_file(folder, name)} is of the clips that were there before: {again}")
    path = tags_file(folder, name)
    try:
        data = read_bytes(path, min(TABLE_BYTES, note.bytes))
        if (len(data), hashlib.sha256(data).hexdigest()) != (note.bytes, note.sha256):
            raise InputError(f"{path} is not what was written: {again}")
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            table = file.read()
        columns = {column: lists(one_array(table[column].chunks, column)) for column in TAG_COLUMNS}
    except (FileNotFoundError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read ({str(error).partition(chr(10))[0]}): {again}") from error
    for column, classes in zip(TAG_COLUMNS, (note.num_verbs, note.num_nouns), strict=True):
        _check_classes(path, columns[column], samples, classes)
    return note, columns


def _check_classes(path: AnyPath, column: ListColumn, samples: int, classes: int) -> None:
    values: np.ndarray = column.values
    in_range = not len(values) or 0 <= values.min() <= values.max() < classes
    if len(column.offsets) != samples + 1 or not in_range:
        raise InputError(f"{path} has classes that are not among {classes}, or of other clips: run `curate tag` again")
