"""Read a clip table in any of its forms, and work out the columns that follow from the published ones."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.clip_table import CLIP_ID, CLIP_SCHEMA, KEY_LIMIT, UNSAFE, clip_key, column_codes
from egocurate.curation.clips.check_clips import check_clips
from egocurate.curation.clips.negatives import ClipArrays, nearby_negatives, neighbourhoods
from egocurate.curation.clips.read_csv import read_published_csv
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.epic_segments import holds_segments, read_segments
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.curation.text.text_columns import normalized
from egocurate.errors import InputError
from egocurate.labels import read_clip_table
from egocurate.storage.paths import AnyPath, as_path

_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True)
class ClassCounts:
    """How many classes clips are tagged with, and a digest of what they are called ("" where that is not known)."""

    verbs: int
    nouns: int
    lexicon: str = ""


EGO4D_CLASSES = ClassCounts(118, 582)  # of Ego4D's taxonomy, which the published egoclip.csv counts in


def complete_clips(table: pa.Table, config: EgoClipConfig, text: pa.DictionaryArray | None = None) -> pa.Table:
    """Add what follows from the published columns: key, normalized text, neighbourhood, negatives.

    `table` has CSV_COLUMNS and the window before clamping; the result has the columns of CLIP_SCHEMA. Of the config
    only the negatives count. `text` has the normalized texts, if the caller knows them (`normalized`).
    """
    text = _normalized_column(table["clip_text"]) if text is None else text
    video, time_sec = column_codes(table["video_uid"]), table["narration_time"].to_numpy()
    clips = ClipArrays(
        video=video,
        source=column_codes(table["narration_source"]),
        time=time_sec,
        start=table["clip_start"].to_numpy(),
        end=table["clip_end"].to_numpy(),
        text=text.indices.to_numpy().astype(np.int64),
        verbs=_ragged(table["tag_verb"]),
        nouns=_ragged(table["tag_noun"]),
    )
    values, offsets = nearby_negatives(clips, config.negatives_per_clip, config.negative_max_sec)
    columns = {name: table[name] for name in table.column_names} | {
        "key": _keys(table),
        "text": text.dictionary.take(text.indices),
        "neighbourhood": pa.array(neighbourhoods(video, time_sec)),
        "negatives": pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), pa.array(table["clip_idx"].to_numpy()[values], pa.int64())
        ),
    }
    return pa.table({name: columns[name] for name in CLIP_SCHEMA.names})


def find_clips(path: AnyPath) -> AnyPath:
    """Return the table a user means by a file, or by a folder that holds egoclip.parquet."""
    table = path / "egoclip.parquet" if path.is_dir() else path
    if not table.is_file():
        raise InputError(
            f"{table}: no such clip table; make one with `curate egoclip`, or name egoclip.csv or a parquet file"
        )
    return table


def read_clips(path: str | AnyPath) -> pa.Table:
    """Return a clip table with every column of docs/formats.md, from a file or from a folder with egoclip.parquet.

    What egoclip.csv lacks is worked out. A csv file of EPIC-KITCHENS-100's segments gives a clip for each, from its
    start to its stop. Raises InputError for a table that is not there, or that cannot be read.
    """
    path = find_clips(as_path(path))
    if path.suffix == ".parquet":
        table = read_clip_table(path)
        check_clips(path, table)
        _check_keys(path, table)
        return table
    table = read_segments(path) if holds_segments(path) else read_published_csv(path)
    table = table.append_column("window_start", table["clip_start"]).append_column("window_end", table["clip_end"])
    return complete_clips(table, EgoClipConfig())


def read_classes(folder: AnyPath) -> ClassCounts:
    """Return the classes of a lexicon folder; without one, of Ego4D's taxonomy, as the published egoclip.csv."""
    if not folder.exists():
        return EGO4D_CLASSES
    lexicon = load_lexicon(folder)
    verbs, nouns = lexicon.verbs.labels, lexicon.nouns.labels
    digest = hashlib.sha256(json.dumps([verbs, nouns]).encode()).hexdigest()
    return ClassCounts(len(verbs), len(nouns), digest[:16])


def _normalized_column(texts: pa.ChunkedArray) -> pa.DictionaryArray:
    """Normalize a column, each distinct text of it once."""
    coded = texts.cast(pa.large_string()).combine_chunks().dictionary_encode()
    return normalized(coded.dictionary).take(coded.indices)


def _check_keys(path: AnyPath, table: pa.Table) -> None:
    """Raise InputError for a key that is not its clip's; a part of the table at a time, or all keys are there twice."""
    for first in range(0, len(table), _ROWS_AT_ONCE):
        part = table.slice(first, _ROWS_AT_ONCE)
        named_so = pc.equal(part["key"], _keys(part))
        if not pc.all(named_so, min_count=0).as_py():
            row = first + int(np.argmin(np.asarray(named_so)))
            raise InputError(
                f"{path}: row {row + 1}: key has {table['key'][row].as_py()!r}, which is not made of "
                f"{', '.join(CLIP_ID)}; write the table again"
            )


def _keys(table: pa.Table) -> pa.ChunkedArray:
    """Name every clip as `clip_key` does: whole columns at once where the names are safe and short, as nearly all."""
    names = [table[name] for name in CLIP_ID]
    number = pc.utf8_lpad(names[2].cast(pa.string()), 5, "0")
    keys = pc.binary_join_element_wise(names[0].cast(pa.string()), names[1].cast(pa.string()), number, "-")
    odd = pc.or_(pc.match_substring_regex(keys, UNSAFE.pattern), pc.greater(pc.utf8_length(keys), KEY_LIMIT))
    if not pc.any(odd).as_py():
        return keys
    rows = zip(*(name.filter(odd).to_pylist() for name in names), strict=True)
    return pc.replace_with_mask(keys, odd.combine_chunks(), pa.array([clip_key(*row) for row in rows], pa.string()))


def _ragged(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return (values, offsets) int64 of a list column."""
    lengths = pc.list_value_length(column).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return pc.list_flatten(column).to_numpy().astype(np.int64), offsets
