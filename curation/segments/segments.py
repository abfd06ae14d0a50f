"""Segments of videos with what is said of each: the one form in which readers of data sets hand them over.

A reader makes a pandas table with the columns below and gives it to `segments`; `SegmentSource` is then the source:

    class MyDataSet(SegmentSource):
        def __init__(self, root, videos_dirs=()):
            super().__init__(read_my_data_set(as_path(root)), videos_dirs)  # -> Segments

and one line in `curation.sources.open.SOURCES` names it for --source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from egocurate.curation.segments.class_columns import is_label, is_score
from egocurate.curation.segments.ego4d_videos import Ego4DVideos
from egocurate.curation.sources import FIRST_PASS
from egocurate.curation.sources.cells import LONGEST_SEC
from egocurate.curation.sources.video_folders import video_name
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath
from egocurate.text_choices import CAPTION_KINDS

NEEDED = ("video", "start_sec", "end_sec", "text")
"""Columns that a reader gives: path or name of the video (str), seconds (float), what is said (str)."""

OPTIONAL = {
    "video_uid": "name of the video (str); without it, that of its file without the ending",
    "captions": "further texts of the segment (list of str)",
    "caption_weights": "weights of a draw, that of `text` first (list of float); all 1 without it",
    "kind": "who wrote the texts of the row, one of CAPTION_KINDS; human without it",
    "narration_source": "the pass of the annotator; narration_pass_1 without it",
    "narration_ind": "the data set's own number of the segment (int), different within a video and pass; else counted",
    "narration_time": "the moment that it is about, in seconds; its middle without it or where NaN",
    "duration": "length of the video in seconds; read from the file without it or where NaN",
    "split": "train, val, test or nothing",
}
"""Columns that a reader may give, and what they hold; besides, label_<kind> and score_<name> (`class_columns`)."""


@dataclass(frozen=True)
class Segments:
    """N segments in the order of a file, with all columns of NEEDED and OPTIONAL; made by `segments`.

    `path` is the file or folder that they are from, `beside` the folder in which videos are looked for. `files` are the
    annotation files by name, which decide whether a run is the same. `skipped` entries were none. `lexicon` is a folder
    with both taxonomy files, if the data set has classes of its own. `ego4d` is what an Ego4D download says of the
    videos, where they are Ego4D's.
    """

    path: AnyPath
    beside: AnyPath
    table: pd.DataFrame
    files: Mapping[str, AnyPath]
    skipped: int = 0
    lexicon: AnyPath | None = None
    ego4d: Ego4DVideos = field(default_factory=Ego4DVideos)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Return N."""
        return len(self.table)


def segments(
    path: AnyPath, table: pd.DataFrame, files: Mapping[str, AnyPath] | None = None, **more: object
) -> Segments:
    """Return a reader's table as Segments, what is not given filled in; `more` are fields of Segments.

    `path` is the file of annotations or, where `files` are given, the folder that they are in. The index of the table
    says where each row stands ("line 3"), for errors. Raises InputError, naming the first row, for one without a video,
    without a start before an end, with times that no video has, or of a kind or a split that is none, and for two files
    of one name.
    """
    if table.empty:
        raise InputError(f"{path}: no rows; there is one for each segment")
    columns = {name: table[name] for name in NEEDED} | {
        name: table[name] if name in table.columns else pd.Series([_nothing(name)] * len(table), table.index)
        for name in OPTIONAL
    }
    columns |= {name: table[name] for name in table.columns if is_label(name) or is_score(name)}
    filled = pd.DataFrame(columns, table.index)
    if "captions" not in table.columns:
        filled["captions"] = [[] for _ in range(len(table))]
    uid = filled["video_uid"].where(filled["video_uid"] != "", filled["video"].map(video_name))
    filled["video_uid"] = uid
    start, end = (filled[name].to_numpy(np.float64) for name in ("start_sec", "end_sec"))
    middle = (start + end) / 2
    filled["narration_time"] = filled["narration_time"].astype(np.float64).fillna(pd.Series(middle, table.index))
    if "narration_ind" not in table.columns:
        filled["narration_ind"] = filled.groupby(["video_uid", "narration_source"], sort=False).cumcount()
    _check(path, filled, start, end)
    if files is None:
        return Segments(path, path.parent, filled, {path.name: path}, **more)
    return Segments(path, path, filled, files, **more)


def _nothing(name: str) -> object:
    defaults = {"kind": "human", "narration_source": FIRST_PASS, "narration_ind": 0, "caption_weights": None}
    return defaults.get(name, math.nan if name in ("narration_time", "duration") else "")


def _check(path: AnyPath, table: pd.DataFrame, start: np.ndarray, end: np.ndarray) -> None:
    """Raise InputError for the first row that cannot be a segment."""
    one_file = table.groupby("video_uid", sort=False)["video"].transform("first")
    number = ["video_uid", "narration_source", "narration_ind"]
    length = table["duration"].to_numpy(np.float64)
    wrong = {
        "names no video": table["video_uid"] == "",
        "has no time in seconds; give start_sec and end_sec": np.isnan(start) | np.isnan(end),
        f"has a time beyond {LONGEST_SEC:,.0f} s": (start > LONGEST_SEC) | (end > LONGEST_SEC),
        "ends before it starts; give 0 <= start_sec < end_sec": ~np.isnan(start) & ~((start >= 0) & (end > start)),
        "has a duration that no video has": ~np.isnan(length) & ~((length > 0) & (length <= LONGEST_SEC)),
        f"has a kind that is none of {', '.join(CAPTION_KINDS)}": ~table["kind"].isin(CAPTION_KINDS),
        "has a split that is none of train, val, test": ~table["split"].isin(["", "train", "val", "test"]),
        "names another file for a video_uid that is there; give each video its own": table["video"] != one_file,
        "has the number of another segment of its video and pass": table.duplicated(number),
    }
    for what, bad in wrong.items():
        rows = np.flatnonzero(np.asarray(bad, bool))
        if len(rows):
            more = f" (and {len(rows) - 1:,} more rows)" if len(rows) > 1 else ""
            raise InputError(f"{path}: {table.index[rows[0]]} {what}{more}")
