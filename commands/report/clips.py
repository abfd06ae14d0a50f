"""Facts of a clip table: what the filters took, lengths, gaps, classes, and what the negatives are like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.commands.report.charts import Bar, Curve, bars, rank_curve, shares
from egocurate.curation.clips.class_sets import ragged, share
from egocurate.curation.clips.filters import FILTERS
from egocurate.curation.sources.videos_table import VIDEO_FACTS_FILE
from egocurate.curation.text.taxonomy import Taxonomy
from egocurate.storage.parquet import read_parquet

TOP_CLASSES = 20
ANCHORS = 50_000  # clips whose negatives are looked at
_WITHOUT_TIME = ("bad_time", "no_video", "beyond_video")  # narrations that beta does not count
_ABOUT = {name: (mask.__doc__ or "").strip() for name, mask in FILTERS.items()} | {
    "narrations": "All that the annotations hold."
}


@dataclass(frozen=True)
class Step:
    """A filter that took something: how many narrations it left and lost, `share` and `lost_share` of all."""

    name: str
    about: str
    left: int
    lost: int
    share: float
    lost_share: float


@dataclass(frozen=True)
class ClassShares:
    """The classes of one side: the most frequent, the curve of all, and a line on the tail."""

    top: list[Bar]
    curve: Curve | None
    tail: str


def funnel(counts: dict[str, int]) -> tuple[list[Step], list[str]]:
    """Return the filters that took something, after the start, and the names of those that took nothing."""
    steps, idle, before = [], [], counts["narrations"]
    whole = before or 1
    for name, left in counts.items():
        lost = before - left
        if lost or name == "narrations":
            steps.append(Step(name, _ABOUT.get(name, ""), left, lost, left / whole, lost / whole))
        else:
            idle.append(name)
        before = left
    return steps, idle


def lengths(table: pa.Table) -> np.ndarray:
    """Return the length of each clip, float64[N] seconds."""
    return table["clip_end"].to_numpy() - table["clip_start"].to_numpy()


def spread(values: np.ndarray, unit: str = "s") -> str:
    """Say mean, median and the range of nine in ten values."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return f"mean {values.mean():.2f} {unit}, median {middle:.2f} {unit}, nine in ten {low:.2f} to {high:.2f} {unit}"


def pass_gaps(table: pa.Table, rejected: pa.Table) -> pd.DataFrame:
    """Return video_uid and beta (mean gap in seconds) of every pass that has clips and two times or more.

    As the run counted it: over all narrations of a pass with a usable time, whatever filter took them out later.
    """
    columns = ["video_uid", "narration_source", "narration_time"]
    timed = rejected.filter(pc.invert(pc.is_in(rejected["reason"], pa.array(_WITHOUT_TIME))))
    times = pa.concat_tables([table.select(columns), timed.select(columns).cast(table.select(columns).schema)])
    passes = times.group_by(columns[:2]).aggregate(
        [("narration_time", "min"), ("narration_time", "max"), ("narration_time", "count")]
    )
    frame = passes.to_pandas()
    has_clips = frame["video_uid"].isin(table["video_uid"].unique().to_pylist())
    span = frame["narration_time_max"] - frame["narration_time_min"]
    frame["beta"] = span / (frame["narration_time_count"] - 1).clip(lower=1)
    return frame[has_clips & (frame["beta"] > 0)][["video_uid", "beta"]].reset_index(drop=True)


def scenario_gaps(gaps: pd.DataFrame, folder: Path) -> list[Bar]:
    """Return the mean beta by scenario, longest first, if the folder tells of several; 12 at most."""
    path = folder / VIDEO_FACTS_FILE
    if not path.exists() or gaps.empty:
        return []
    videos = read_parquet(path, columns=["video_uid", "scenarios"]).to_pandas()
    joined = gaps.merge(videos.explode("scenarios").dropna(), on="video_uid")
    means = joined.groupby("scenarios")["beta"].agg(["mean", "size"])
    if len(means) < 2:
        return []
    # The scenarios with the most passes: a scenario of one video says little.
    means = means.sort_values("size", ascending=False).head(12).sort_values("mean", ascending=False)
    named = [f"{name} ({row['size']:.0f})" for name, row in means.iterrows()]
    return bars(zip(named, means["mean"], strict=True), unit="s")


def classes(column: pa.ChunkedArray, taxonomy: Taxonomy) -> ClassShares:
    """Sum up the classes of a tag column: list<int32>[N]."""
    counts = np.bincount(pc.list_flatten(column).to_numpy(), minlength=len(taxonomy))
    order = np.argsort(-counts, kind="stable")[:TOP_CLASSES]
    used, total = int((counts > 0).sum()), int(counts.sum()) or 1
    ten = np.sort(counts)[::-1][:10].sum() / total
    tail = f"{used:,} of {len(taxonomy):,} classes occur, {int((counts == 1).sum()):,} of them once; "
    tail += f"the ten most frequent make {ten:.0%} of all tags"
    return ClassShares(
        bars((plain(taxonomy.labels[i]), int(counts[i])) for i in order if counts[i]), rank_curve(counts), tail
    )


def plain(label: str) -> str:
    """Write a label without its group: "take_(pick,_grab,_get)" is "take"."""
    return label.split("_(")[0].replace("_", " ")


def coverage(table: pa.Table) -> list[Bar]:
    """Return the shares of clips with a verb and a noun, one of them, or none."""
    verb, noun = (pc.list_value_length(table[name]).to_numpy() > 0 for name in ("tag_verb", "tag_noun"))
    kinds = {"verb and noun": verb & noun, "verb only": verb & ~noun, "noun only": noun & ~verb, "none": ~verb & ~noun}
    return shares((name, int(rows.sum())) for name, rows in kinds.items())


def untagged(table: pa.Table, column: str, count: int = 5) -> list[str]:
    """Return the most frequent texts without a class of `column`."""
    texts = table["text"].filter(pc.equal(pc.list_value_length(table[column]), 0))
    counts = texts.combine_chunks().value_counts().to_pylist()
    return [row["values"] for row in sorted(counts, key=lambda row: -row["counts"])[:count]]


def negative_pairs(table: pa.Table, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (anchors, negatives) int64[P] of the negatives of up to ANCHORS clips drawn at random."""
    rows = np.sort(rng.permutation(table.num_rows)[:ANCHORS])
    lists = table["negatives"].take(pa.array(rows))
    anchors = np.repeat(rows, pc.list_value_length(lists).to_numpy())
    return anchors, pc.list_flatten(lists).to_numpy()


def shared_with_negatives(table: pa.Table, anchors: np.ndarray, negatives: np.ndarray) -> list[Bar]:
    """Return the shares of pairs that have a noun in common, a verb, both (which none should) or neither."""
    verb, noun = (share(ragged(table[name]), anchors, negatives) for name in ("tag_verb", "tag_noun"))
    kinds = {"same noun": noun & ~verb, "same verb": verb & ~noun, "both": verb & noun, "neither": ~verb & ~noun}
    return shares((name, int(rows.sum())) for name, rows in kinds.items())
