"""EPIC-KITCHENS annotations with a point in time and a gold segment for each narration, as a source in memory."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.text.marks import ACTOR
from egocurate.errors import InputError

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
"""Where measured data lies that the repository may not hold (CC BY-NC): beside it."""

GOLD_COLUMNS = ["video_uid", "narration_source", "narration_ind", "gold_start", "gold_stop"]
_KEY = ["video_id", "narration"]


class Segments:
    """Narrations of EPIC-KITCHENS in Ego4D's manner ("#C C take plate"), their videos' lengths and gold segments.

    table has a row per narration: video_id, narration, time, gold_start, gold_stop (seconds).
    """

    def __init__(self, table: pd.DataFrame, durations: pd.Series) -> None:
        self.table = table.sort_values(["video_id", "time"], kind="stable", ignore_index=True)
        self.table["narration_ind"] = self.table.groupby("video_id").cumcount()
        self._durations = durations

    def narrations(self) -> pd.DataFrame:
        """Return what `curation.sources.Source.narrations` does."""
        table = self.table
        text = ACTOR + table["narration"]
        columns = (table["video_id"], "narration_pass_1", table["narration_ind"], table["time"], text)
        return pd.DataFrame(dict(zip(NARRATION_COLUMNS, columns, strict=True)))

    def videos(self) -> pd.DataFrame:
        """Return what `curation.sources.Source.videos` does, of each video that has a narration."""
        uids = sorted(self.table["video_id"].unique())
        facts = {"video_dur": self._durations.reindex(uids).to_numpy(float), "path": None, "is_stereo": False}
        facts |= {"width": 0, "height": 0, "split": "train", "fho_multi": False, "scene": range(len(uids))}
        none = [[] for _ in uids]
        return pd.DataFrame({"video_uid": uids, **facts, "scenarios": none, "redacted": none})

    def gold(self) -> pd.DataFrame:
        """Return the gold segments with GOLD_COLUMNS."""
        named = self.table.assign(video_uid=self.table["video_id"], narration_source="narration_pass_1")
        return named[GOLD_COLUMNS]

    def without(self, videos: set[str]) -> Segments:
        """Return those of other videos."""
        return Segments(self.table[~self.table["video_id"].isin(videos)], self._durations)


def epic_100(csv: Path) -> Segments:
    """Read a labeled file of EPIC-KITCHENS-100 and EPIC_100_video_info.csv beside it; raises InputError."""
    rows = _read(csv)
    times = {"time": "narration_timestamp", "gold_start": "start_timestamp", "gold_stop": "stop_timestamp"}
    table = rows[_KEY].assign(**{name: _seconds(rows[column]) for name, column in times.items()})
    info = _read(csv.parent / "EPIC_100_video_info.csv")
    return Segments(table[table["time"].notna()], info.set_index("video_id")["duration"])


def epic_55(folder: Path) -> Segments:
    """Read EPIC-KITCHENS-55's points in time and its gold segments, which stand in two files; raises InputError.

    The files share no key. A video's narrations of the same words are matched in their order, where both files have
    equally many; the points in time of narrations that no segment matches still count for the gaps of others.
    """
    labels, spoken = (
        _read(folder / "EPIC_train_action_labels.csv.gz"),
        _read(folder / "EPIC_train_action_narrations.csv.gz"),
    )
    table = spoken[_KEY].assign(time=_seconds(spoken["start_timestamp"])).sort_values([*_KEY, "time"])
    found = labels[_KEY].assign(
        gold_start=_seconds(labels["start_timestamp"]), gold_stop=_seconds(labels["stop_timestamp"])
    )
    found = found.sort_values([*_KEY, "gold_start"])
    for rows in (table, found):
        rows["nth"] = rows.groupby(_KEY).cumcount()
        rows["of"] = rows.groupby(_KEY)["nth"].transform("size")
    table = table.merge(found, how="left", on=[*_KEY, "nth", "of"])
    info = _read(folder / "EPIC_video_info.csv").set_index("video")
    return Segments(table.drop(columns=["nth", "of"]), info["duration"])


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: no such file; it belongs to the public EPIC-KITCHENS annotations (CC BY-NC)")
    return pd.read_csv(path)


def _seconds(clock: pd.Series) -> pd.Series:
    parts = clock.str.split(":", expand=True).astype(float)
    return parts[0] * 3600 + parts[1] * 60 + parts[2]
