"""Read EPIC-KITCHENS-100's labeled segments as clips: each from its own start to its own stop."""

from __future__ import annotations

import gzip
import zlib
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.clip_table import PUBLISHED_TYPES
from egocurate.curation.sources import FIRST_PASS
from egocurate.curation.sources.epic_kitchens import clock_seconds, narration_numbers
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.text.marks import ACTOR
from egocurate.errors import InputError
from egocurate.literal_lists import class_list
from egocurate.storage.paths import AnyPath
from egocurate.storage.remote_file import open_file

_NEEDED = ("narration_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp", "narration")
_NEEDED += ("verb_class", "all_noun_classes")
_HEADER_BYTES = 65_536


def holds_segments(path: AnyPath) -> bool:
    """Tell whether a csv file's header is that of EPIC's segments, as EPIC_100_retrieval_test.csv."""
    with open_file(path) as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as file:
        try:
            header = file.readline(_HEADER_BYTES)
        except (OSError, EOFError, zlib.error):  # not compressed: the reader of the table says so
            return False
    return b"narration_id" in header and b"stop_timestamp" in header


def read_segments(path: AnyPath) -> pa.Table:
    """Return the segments by video and start with CSV_COLUMNS; raises InputError, naming a row and its value.

    The length of a video is not in the file: video_dur is the end of its last segment. narration_ind is the number in
    narration_id, and the classes are EPIC's own.
    """
    table = read_columns(path, _NEEDED)
    number = narration_numbers(table["narration_id"])
    _refuse(path, table, "narration_id", number.isna(), "which does not end in a number")
    _refuse(path, table, "narration_id", table["narration_id"].duplicated(), "again; each segment needs its own")
    start, stop = (_seconds(path, table, name) for name in ("start_timestamp", "stop_timestamp"))
    verb = table["verb_class"].map(lambda text: class_list(f"[{text}]"))
    _refuse(
        path,
        table,
        "verb_class",
        verb.map(lambda classes: classes is None or len(classes) != 1),
        "which is no class like 91",
    )
    nouns = table["all_noun_classes"].map(class_list)
    _refuse(path, table, "all_noun_classes", nouns.isna(), "which is no list of classes like [91, 2]")
    narrated = clock_seconds(table["narration_timestamp"])
    untimed = narrated.isna() & (table["narration_timestamp"].str.strip() != "")
    _refuse(path, table, "narration_timestamp", untimed, "which is no time like 00:01:02.50")
    clips = pd.DataFrame(
        {
            "video_uid": table["video_id"],
            "video_dur": stop.groupby(table["video_id"]).transform("max"),
            "narration_source": FIRST_PASS,
            "narration_ind": number.astype(np.int64),
            "narration_time": narrated.fillna(start),  # some have no time of their own
            "clip_start": start,
            "clip_end": stop,
            "clip_text": ACTOR + table["narration"].str.strip(),
            "tag_verb": verb,
            "tag_noun": [sorted(set(classes)) for classes in nouns],
        }
    ).sort_values(["video_uid", "clip_start"], kind="stable", ignore_index=True)
    clips["clip_idx"] = np.arange(len(clips))
    return pa.table({name: pa.array(clips[name].tolist(), kind) for name, kind in PUBLISHED_TYPES.items()})


def _seconds(path: AnyPath, table: pd.DataFrame, name: str) -> pd.Series:
    seconds = clock_seconds(table[name])
    _refuse(path, table, name, seconds.isna(), "which is no time like 00:01:02.50")
    return seconds


def _refuse(path: AnyPath, table: pd.DataFrame, name: str, bad: pd.Series, what: str) -> None:
    if bad.any():
        row = int(np.argmax(bad.to_numpy()))
        raise InputError(f"{path}: row {row + 1}: {name} has {table[name].iloc[row]!r}, {what}; take it as published")
