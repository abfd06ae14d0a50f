"""The window strategies by name: how far a clip reaches around its narration. Light to import, for the command line.

A rule takes what is known of N narrations and alpha in seconds, and returns start and end, float64[N] seconds, not
clamped to the video. To add one, write it here with one line that says what it does, and name it in WINDOWS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from egocurate.curation.clips.adaptive_window import Reach, reach

if TYPE_CHECKING:
    import numpy as np

    Bounds = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Timeline:
    """What a rule sees, all float64[N]: times, the nearest other times of the pass, the pass's mean gap, the verb.

    verb is how long the verb takes as a share of the mean verb (`curation.clips.verb_durations`), 1 where that is not
    known; `fitted` are the numbers of the adaptive rule.
    """

    time: np.ndarray
    before: np.ndarray
    after: np.ndarray
    beta: np.ndarray
    verb: np.ndarray
    fitted: Reach


def egoclip(line: Timeline, alpha: float) -> Bounds:
    """As long as the pass's mean gap over alpha, around the narration (EgoVLP eq. 1, Table 2 f)."""
    half = line.beta / (2 * alpha)
    return line.time - half, line.time + half


def alpha_after(line: Timeline, alpha: float) -> Bounds:
    """Alpha seconds after the narration (EgoVLP, Table 2 a)."""
    return line.time, line.time + alpha


def alpha_around(line: Timeline, alpha: float) -> Bounds:
    """Alpha seconds around the narration (EgoVLP, Table 2 b)."""
    return line.time - alpha / 2, line.time + alpha / 2


def neighbours(line: Timeline, alpha: float) -> Bounds:
    """From the narration before to the one after (EgoVLP, Table 2 c)."""
    return line.before, line.after


def gap_half(line: Timeline, alpha: float) -> Bounds:
    """As long as the pass's mean gap, around the narration (EgoVLP, Table 2 d)."""
    return line.time - line.beta / 2, line.time + line.beta / 2


def gap_quarter(line: Timeline, alpha: float) -> Bounds:
    """Half as long as the pass's mean gap, around the narration (EgoVLP, Table 2 e)."""
    return line.time - line.beta / 4, line.time + line.beta / 4


def midpoints(line: Timeline, alpha: float) -> Bounds:
    """From half way to the narration before to half way to the one after."""
    return (line.before + line.time) / 2, (line.time + line.after) / 2


def adaptive(line: Timeline, alpha: float) -> Bounds:
    """From the gaps around the narration and how long its verb takes, fitted on gold segments (ours)."""
    before, after = reach(line.time - line.before, line.after - line.time, line.beta, line.verb, line.fitted)
    least = line.beta / (2 * alpha)  # a burst of narrations keeps the window of eq. 1
    return line.time - before.clip(least), line.time + after.clip(least)


WINDOWS: dict[str, Callable[[Timeline, float], Bounds]] = {
    "egoclip": egoclip,
    "alpha-after": alpha_after,
    "alpha-around": alpha_around,
    "neighbours": neighbours,
    "gap-half": gap_half,
    "gap-quarter": gap_quarter,
    "midpoints": midpoints,
    "adaptive": adaptive,
}
"""Every window strategy; the first line of a rule's docstring is its help."""
