"""What the filters took: narrations left after each one, and examples of what was left out, by reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.filters import FILTERS

EXAMPLES = 6  # of each reason
ABOUT = {name: (mask.__doc__ or "").strip() for name, mask in FILTERS.items()} | {
    "narrations": "All that the annotations hold."
}
"""Filter -> what it takes, in a sentence."""


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
class Example:
    """A narration that was left out; `time` is that of its video in seconds, as text."""

    video_uid: str
    time: str
    text: str


@dataclass(frozen=True)
class Reason:
    """A filter, what it takes, how many narrations it took, and some of them."""

    name: str
    about: str
    count: int
    examples: list[Example]


def funnel(counts: Mapping[str, int]) -> tuple[list[Step], list[str]]:
    """Return the filters that took something, after the start, and the names of those that took nothing."""
    steps, idle, before = [], [], counts["narrations"]
    whole = before or 1
    for name, left in counts.items():
        lost = before - left
        if lost or name == "narrations":
            steps.append(Step(name, ABOUT.get(name, ""), left, lost, left / whole, lost / whole))
        else:
            idle.append(name)
        before = left
    return steps, idle


def by_reason(rejected: pa.Table, rng: np.random.Generator) -> list[Reason]:
    """Return the reasons of rejected.parquet, most frequent first, with narrations of each drawn at random."""
    counts = sorted(rejected["reason"].value_counts().to_pylist(), key=lambda row: -row["counts"])
    reasons = []
    for row in counts:
        taken = rejected.filter(pc.equal(rejected["reason"], row["values"]))
        drawn = np.sort(rng.permutation(taken.num_rows)[:EXAMPLES])
        examples = [
            Example(one["video_uid"], seconds(one["narration_time"]), one["clip_text"])
            for one in taken.take(pa.array(drawn)).to_pylist()
        ]
        reasons.append(Reason(row["values"], ABOUT.get(row["values"], ""), row["counts"], examples))
    return reasons


def seconds(time: float | None) -> str:
    """Write a time in seconds; that of a narration without a usable one is "no time"."""
    return "no time" if time is None or not np.isfinite(time) else f"{time:,.2f} s"
