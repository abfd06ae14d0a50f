"""Check a shard folder against its manifest and index, and name every clip whose bytes are not what was written."""

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from egocurate.errors import InputError
from egocurate.labels import label_column
from egocurate.progress import Report, silent
from egocurate.shards.adopt.adopted import ADOPTED, tar_folder
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.open_index import DamagedIndex
from egocurate.shards.read.read_frames import check_frames
from egocurate.shards.read.tag_file import note_file, tag_names
from egocurate.shards.shard_format import CLIP_COLUMNS, FAILED_FILE, INDEX_FILE
from egocurate.shards.write.shard_folder import PLAN_FILE, UNFINISHED
from egocurate.shards.write.tar import BLOCK, member_header
from egocurate.storage.paths import AnyPath, Bytes, file_sizes, whole_file
from egocurate.text_choices import STORED_KINDS

STAGE = "verifying shards"
COMPARED = (*CLIP_COLUMNS, "key", "frame_count", "fps")
"""What both the index and the json member of a clip say."""


@dataclass(frozen=True)
class Problem:
    """Something wrong: in which shard (file name), with which clip (None: not of one clip), and what."""

    shard: str
    key: str | None
    what: str

    def __str__(self) -> str:
        """Read as one line."""
        return f"{self.shard}: {self.key + ': ' if self.key else ''}{self.what}"


def verify(folder: str | AnyPath, decode: int = 8, report: Report = silent) -> list[Problem]:
    """Return the problems of a shard folder: missing, cut or changed tars, an index that does not fit, broken videos.

    `decode` clips, evenly spread, are decoded whole. Raises InputError if there is no readable manifest or index.
    """
    return list(find_problems(folder, decode, report))


def find_problems(folder: str | AnyPath, decode: int = 8, report: Report = silent) -> Iterator[Problem]:
    """Yield the problems of a shard folder as they are found; see `verify`."""
    try:
        index = ShardIndex.open(folder)
    except DamagedIndex as error:
        yield Problem(INDEX_FILE, None, str(error))
        return
    is_sound = True
    for problem in _problems_of_files(index, report):
        is_sound = False
        yield problem
    if not is_sound or not len(index):
        return
    chosen = np.unique(np.linspace(0, len(index) - 1, min(decode, len(index))).astype(int))
    for sample in chosen:
        yield from _check_clip(index, int(sample))


def _problems_of_files(index: ShardIndex, report: Report) -> Iterator[Problem]:
    entries = index.manifest["shards"]
    bounds = np.searchsorted(index.shard, np.arange(len(entries) + 1))
    for shard, entry in enumerate(entries):
        report(STAGE, shard, len(entries))
        yield from _check_shard(index, entry, range(bounds[shard], bounds[shard + 1]))
    report(STAGE, len(entries), len(entries))
    for name in tag_names(index.folder):
        try:
            index.take_tags(name)
        except InputError as error:
            yield Problem(note_file(index.folder, name).name, None, str(error))
    if index.manifest["failed"] and not (index.folder / FAILED_FILE).is_file():
        yield Problem(FAILED_FILE, None, "is not there, though the manifest counts failed clips")
    known = {entry["file"] for entry in entries}
    if ADOPTED in index.manifest:
        return
    if not (index.folder / UNFINISHED / PLAN_FILE).exists():  # what is there while it grows is not published yet
        strays = sorted(name for name in file_sizes(index.folder) if name.endswith(".tar") and name not in known)
        yield from (Problem(name, None, "is not in the manifest: move it elsewhere") for name in strays)


def _check_shard(index: ShardIndex, entry: dict, samples: range) -> list[Problem]:
    path = tar_folder(index.folder, index.manifest) / entry["file"]
    if not path.is_file():
        return [Problem(entry["file"], None, "is not there")]
    size = path.stat().st_size
    if size != entry["bytes"]:
        return [Problem(entry["file"], None, f"has {size} bytes, the manifest says {entry['bytes']}")]
    if len(samples) != entry["samples"]:
        what = f"the index has {len(samples)} samples of it, the manifest says {entry['samples']}"
        return [Problem(entry["file"], None, what)]
    check = _check_bytes if ADOPTED in index.manifest else _check_members
    with whole_file(path, entry["bytes"]) as data:
        changed = [problem for sample in samples for problem in check(index, data, entry["file"], sample)]
        if not changed and hashlib.sha256(data).hexdigest() != entry["sha256"]:
            changed = [Problem(entry["file"], None, "bytes between the clips have changed")]
    return changed


def _check_bytes(index: ShardIndex, data: Bytes, shard: str, sample: int) -> list[Problem]:
    """Compare what stands where the index says with its checksums: of a tar of others, whose headers are theirs."""
    spans = zip(index.spans(sample), index.crc32(sample), strict=True)
    if all(zlib.crc32(data[offset : offset + size]) == crc32 for (offset, size), crc32 in spans):
        return []
    return [Problem(shard, index.key(sample), "its bytes have changed")]


def _check_members(index: ShardIndex, data: Bytes, shard: str, sample: int) -> list[Problem]:
    key, names, spans = index.key(sample), index.member_names(sample), index.spans(sample)
    problems = []
    for name, (offset, size), crc32 in zip(names, spans, index.crc32(sample), strict=True):
        if data[max(0, offset - BLOCK) : offset] != member_header(name, size):
            problems.append(
                Problem(shard, key, f"the tar has no member {name} where the index says: {_member_at(data, offset)}")
            )
        elif zlib.crc32(data[offset : offset + size]) != crc32:
            problems.append(Problem(shard, key, f"the bytes of {name} have changed"))
    return problems or _check_columns(index, data, shard, sample)


def _check_columns(index: ShardIndex, data: Bytes, shard: str, sample: int) -> list[Problem]:
    """Compare what the index says of a clip with the json member of it, whose bytes are those that were written."""
    row, (offset, size) = index.row(sample), index.spans(sample)[0]
    try:
        written = json.loads(data[offset : offset + size])
        wrong = [name for name in COMPARED if not _same(written[name], _plain(getattr(row, name)))]
        wrong += [name for name, value in _captions(index, sample).items() if written[name] != value]
        wrong += [label_column(kind) for kind, label in row.labels.items() if written[label_column(kind)] != label]
    except (ValueError, KeyError, TypeError) as error:
        return [Problem(shard, row.key, f"its json member is none ({error!r})")]
    return [Problem(shard, row.key, f"the index has another {', '.join(wrong)} than its json member")] if wrong else []


def _captions(index: ShardIndex, sample: int) -> dict[str, list]:
    """Return what the json member of a clip says of its captions, by the index; nothing where it has one alone."""
    if index.captions is None:
        return {}
    captions = index.captions.of(sample)
    return {
        "captions": [one.clip_text for one in captions],
        "caption_kinds": [STORED_KINDS.index(one.kind) for one in captions],
        "caption_verbs": [one.tag_verb.tolist() for one in captions],
        "caption_nouns": [one.tag_noun.tolist() for one in captions],
    }


def _same(one: object, other: object) -> bool:
    return one == other or (one != one and other != other)  # NaN, which a narration without a time may have


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _member_at(data: Bytes, offset: int) -> str:
    """Say which member's content begins at an offset of a tar, or why none does."""
    try:
        return f"{tarfile.TarInfo.frombuf(data[offset - BLOCK : offset], 'ascii', 'replace').name} stands there"
    except tarfile.HeaderError as error:
        return str(error)


def _check_clip(index: ShardIndex, sample: int) -> list[Problem]:
    bad = check_frames(index, sample)
    shard = index.row(sample).shard_path.name
    return [] if bad is None else [Problem(shard, bad.key, f"does not decode as it was written: {bad.reason}")]
