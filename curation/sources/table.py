"""A table of narrations as a source: one csv or parquet file for videos of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from egocurate.curation.sources import FIRST_PASS, NARRATION_COLUMNS
from egocurate.curation.sources.cells import clock_or_seconds
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.sources.video_folders import VideoFolders, is_there, looked_in
from egocurate.curation.sources.videos_table import VideoFacts, videos_table
from egocurate.errors import InputError
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.paths import AnyPath, as_path

NEEDED = ("video", "time", "text")
_OPTIONAL = ("video_uid", "pass", "duration", "split")
TEMPLATE = """\
video,time,text
videos/kitchen.mp4,2.5,#C C takes a cup from the shelf
videos/kitchen.mp4,0:01:04.2,#C C washes the cup
"""
"""A table to begin with: its columns, and a narration at seconds and one at a clock time."""

_SPLITS = {"": "", "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
_SPLITS |= {"test": "test", "testing": "test"}


class TableSource:
    """Read a csv (comma, semicolon or tab) or parquet file with a row per narration.

    Columns: video (path, relative to the table's folder), time (seconds, or a clock time), text; and where wanted
    video_uid (else the name of the file), pass (a number or a name, else 1), duration (as time, else read from the
    file), split (train, val, test). Videos are looked for in `videos_dirs` first. Raises InputError, naming the column
    or the line, for what cannot be read or contradicts itself.
    """

    splits_in = "the table's column split"
    segmented = False

    def __init__(self, path: str | AnyPath, videos_dirs: Sequence[str | AnyPath] = ()) -> None:
        self.path = as_path(path)
        self._elsewhere = VideoFolders(videos_dirs)
        if self.path.is_dir():
            raise InputError(f"{self.path}: is a folder; give the csv or parquet file with {', '.join(NEEDED)}")
        table = _columns(read_columns(self.path, NEEDED, _OPTIONAL))
        if table.empty:
            raise InputError(f"{self.path}: no rows; there is one for each narration")
        self._time, self._duration = (self._seconds(table[name]) for name in ("time", "duration"))
        if self._time.isna().all():
            first = table["time"].iloc[0]
            raise InputError(f"{self.path}: column 'time' has {first!r} and no number at all; give seconds as 12.5")
        self._table = table.reset_index(drop=True)

    def narrations(self) -> pd.DataFrame:
        """Return one row per row of the table; see `Source`. narration_ind counts the rows of a video and pass."""
        table = self._table
        columns = (table["video_uid"], table["pass"], self._numbers, self._time, table["text"])
        return pd.DataFrame(dict(zip(NARRATION_COLUMNS, columns, strict=True)))

    def videos(self) -> pd.DataFrame:
        """Return the videos of the table in its order, probed where the duration is not given; see `Source`."""
        return self._videos.copy(deep=False)

    def lexicon_dir(self) -> Path | None:
        """Return None: a table brings no classes (name some with --lexicon, or have them built)."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Return "size:sha256" of the table."""
        return {"table": fingerprint(self.path)}

    def notes(self) -> list[str]:
        """Return how many videos there are, and how many of them on disk."""
        videos = self._videos
        unnamed = int((self._table["video_uid"] == "").sum())
        notes = [
            f"{self.path.name} has {len(self._table):,} narrations of {len(videos):,} videos, "
            f"{videos['path'].notna().sum():,} of them on disk"
        ]
        if unnamed:
            notes.append(f"{unnamed:,} rows name no video")
        closed = videos["video_uid"][videos["path"].notna() & videos["video_dur"].isna()]
        if len(closed):
            notes.append(f"{len(closed):,} videos on disk do not open and so tell no length ({', '.join(closed[:3])})")
        return notes

    def looked_in(self) -> str:
        """Say where videos were looked for."""
        return looked_in([*self._elsewhere.folders, self.path.parent], "what column video names")

    @cached_property
    def _numbers(self) -> pd.Series:
        return self._table.groupby(["video_uid", "pass"], sort=False).cumcount().astype(np.int64)

    @cached_property
    def _videos(self) -> pd.DataFrame:
        table = self._table[self._table["video_uid"] != ""]
        for name in ("video", "duration", "split"):
            self._refuse_several(table, name)
        known = {}
        for row in table.drop_duplicates("video_uid").itertuples():
            path = self._find(row.video, row.video_uid)
            facts = VideoFacts(path=None if path is None else str(path), split=self._split(row.split))
            facts.video_dur = float(self._duration[row.Index])
            facts.probe()
            known[row.video_uid] = facts
        return videos_table(known)

    def _find(self, video: str, uid: str) -> AnyPath | None:
        """Return the file of a video, by its path or its uid in the folders that were named, else beside the table."""
        if not video:
            return self._elsewhere.files.get(uid)
        beside = as_path(video) if "://" in video else self.path.parent / video
        found = self._elsewhere.named(video) or self._elsewhere.files.get(uid)
        return found or (beside if is_there(beside) else None)

    def _refuse_several(self, table: pd.DataFrame, name: str) -> None:
        """Refuse two values of a video's fact under one video_uid."""
        several = table.groupby("video_uid", sort=False)[name].nunique() > 1
        if several.any():
            uid = several.index[several][0]
            values = ", ".join(repr(value) for value in table[name][table["video_uid"] == uid].unique()[:2])
            way_out = "give each video its own in a column video_uid" if name == "video" else "say it once"
            raise InputError(f"{self.path}: column {name!r} has {values} for video {uid!r}; {way_out}")

    def _seconds(self, texts: pd.Series) -> pd.Series:
        """Return times in seconds (float64), NaN for a text without a digit; refuses others that are no times."""
        seconds = texts.map(clock_or_seconds).astype(np.float64)
        bad = seconds.isna() & texts.str.contains(r"[0-9]")
        if bad.any():
            line = bad.index[bad][0]
            place = f"{self.path}: {'row' if self.path.suffix == '.parquet' else 'line'} {line}"
            way_out = "write seconds as 62.5, or a clock time as 1:02.5 or 0:01:02.5"
            raise InputError(f"{place}: {texts.name} has {texts[line]!r}; {way_out}")
        return seconds.reset_index(drop=True)

    def _split(self, text: str) -> str:
        if text.strip().lower() not in _SPLITS:
            raise InputError(f"{self.path}: column 'split' has {text!r}; write train, val, test or nothing")
        return _SPLITS[text.strip().lower()]


def _columns(table: pd.DataFrame) -> pd.DataFrame:
    """Return every column as text, with what is not given filled in."""
    columns = {name: _text(table, name) for name in (*NEEDED, *_OPTIONAL)}
    stems = columns["video"].map(lambda path: Path(path).stem)
    columns["video_uid"] = columns["video_uid"].where(columns["video_uid"] != "", stems)
    numbered = "narration_pass_" + columns["pass"].str.replace(r"\.0$", "", regex=True)
    named = columns["pass"].where(~columns["pass"].str.fullmatch(r"[0-9]+(\.0)?"), numbered)
    columns["pass"] = named.where(named != "", FIRST_PASS)
    return pd.DataFrame(columns)


def _text(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table.columns:
        return pd.Series("", index=table.index, dtype=object)
    return table[name].map(str.strip).astype(object)
