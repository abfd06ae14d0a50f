"""Facts of the times of clips: how long they are, how far apart narrations are, and how clips overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.windows import overlap_ratio
from egocurate.curation.sources.videos_table import VIDEO_FACTS_FILE
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import read_typed

_SCENARIOS = pa.schema([("video_uid", pa.string()), ("scenarios", pa.list_(pa.string()))])
WITHOUT_TIME = ("bad_time", "no_video", "beyond_video")
"""Reasons of narrations that beta does not count."""


def lengths(table: pa.Table) -> np.ndarray:
    """Return the length of each clip, float64[N] seconds."""
    return table["clip_end"].to_numpy() - table["clip_start"].to_numpy()


def spread(values: np.ndarray, unit: str = "s") -> str:
    """Say mean, median and the range of nine in ten values; nothing of no values."""
    if not len(values):
        return ""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"Mean {values.mean():.2f} {unit}, median {middle:.2f} {unit}, nine in ten {low:.2f} to {high:.2f} {unit}."


def overlap_with_next(table: pa.Table) -> np.ndarray:
    """Return intersection over union of each clip with the next one of its pass, float64[M], for those that have one.

    The table is sorted by video, pass and time, as egoclip.parquet is.
    """
    start, end = table["clip_start"].to_numpy(), table["clip_end"].to_numpy()
    names = [table[name].combine_chunks() for name in ("video_uid", "narration_source")]
    follows = np.ones(max(len(start) - 1, 0), bool)
    for column in names:
        codes = column.dictionary_encode().indices.to_numpy()
        follows &= codes[1:] == codes[:-1]
    return overlap_ratio(start[:-1], end[:-1], start[1:], end[1:])[follows]


def overlap_line(ratios: np.ndarray) -> str:
    """Say how many clips overlap with the next one, and how much those do."""
    if not len(ratios):
        return ""
    meet = ratios[ratios > 0]
    line = f"{len(meet) / len(ratios):.1%} of the clips overlap with the next one of their pass"
    return f"{line}, on average with an IoU of {meet.mean():.2f}." if len(meet) else f"{line}."


def with_usable_time(rejected: pa.Table) -> pa.Table:
    """Return the narrations left out whose time could be used all the same, as beta counts them."""
    return rejected.filter(pc.invert(pc.is_in(rejected["reason"], pa.array(WITHOUT_TIME))))


def pass_gaps(table: pa.Table, rejected: pa.Table) -> pd.DataFrame:
    """Return video_uid and beta (mean gap in seconds) of every pass that has clips and two times or more.

    As the run counted it: over all narrations of a pass with a usable time, whatever filter took them out later.
    """
    columns = ["video_uid", "narration_source", "narration_time"]
    timed = with_usable_time(rejected).select(columns)
    times = pa.concat_tables([table.select(columns), timed.cast(table.select(columns).schema)])
    passes = times.group_by(columns[:2]).aggregate(
        [("narration_time", "min"), ("narration_time", "max"), ("narration_time", "count")]
    )
    frame = passes.to_pandas()
    has_clips = frame["video_uid"].isin(table["video_uid"].unique().to_pylist())
    span = frame["narration_time_max"] - frame["narration_time_min"]
    frame["beta"] = span / (frame["narration_time_count"] - 1).clip(lower=1)
    return frame[has_clips & (frame["beta"] > 0)][["video_uid", "beta"]].reset_index(drop=True)


def scenario_gaps(gaps: pd.DataFrame, folder: AnyPath) -> list[tuple[str, float]]:
    """Return (scenario, mean beta), longest first, if the folder tells of several; 12 at most."""
    path = folder / VIDEO_FACTS_FILE
    if not path.exists() or gaps.empty:
        return []
    videos = read_typed(path, _SCENARIOS).to_pandas()
    joined = gaps.merge(videos.explode("scenarios").dropna(), on="video_uid")
    means = joined.groupby("scenarios")["beta"].agg(["mean", "size"])
    if len(means) < 2:
        return []
    # The scenarios with the most passes: a scenario of one video says little.
    means = means.sort_values("size", ascending=False).head(12).sort_values("mean", ascending=False)
    return [(f"{name} ({row['size']:.0f})", row["mean"]) for name, row in means.iterrows()]
