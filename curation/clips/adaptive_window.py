"""How far a clip reaches around its narration, from the silence on either side and what the verb tells: pure functions.

An annotator speaks while the action is under way or just over. So a clip begins a moment before the narration and goes
on after it, but not far into what the neighbours tell of; and "wash" takes longer than "take".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Reach:
    """Six fitted numbers: shares of the gaps, limits in seconds (before) and mean gaps (after), powers of the verb."""

    before_gap: float
    before_sec: float
    before_verb: float
    after_gap: float
    after_mean_gaps: float
    after_verb: float


def reach(
    gap_before: np.ndarray, gap_after: np.ndarray, beta: np.ndarray, verb: np.ndarray, by: Reach
) -> tuple[np.ndarray, np.ndarray]:
    """Return the seconds before and after the narration, float64[N] each, positive and rising in gap and verb.

    gap_before, gap_after, beta float64[N] > 0 in seconds; verb float64[N] > 0 is how long the verb takes, 1 for the
    mean verb. Before, the limit is in seconds, for the delay of speech does not depend on the pace of the pass; after,
    it grows with the pace: who narrates seldom narrates longer actions.
    """
    before = soft_minimum(by.before_gap * gap_before, by.before_sec * verb**by.before_verb)
    after = soft_minimum(by.after_gap * gap_after, by.after_mean_gaps * beta * verb**by.after_verb)
    return before, after


def soft_minimum(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return 1 / (1/one + 1/other) of positive numbers: the lesser where they differ much, half where equal."""
    return one / (1 + one / other)
