"""When a clip begins and ends, given the annotator's points in time: pure functions from arrays to arrays.

Everywhere: time float64[N] seconds, group int64[N] the (video, pass) of a narration; rows sorted by group, then time.
All windows are as the rule gives them; `clamp` cuts them to the video.
"""

import numpy as np

from egocurate.curation.clips.verb_durations import fitted
from egocurate.curation.clips.window_rules import WINDOWS, Timeline

Bounds = tuple[np.ndarray, np.ndarray]


def mean_gap(time: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return beta = (t_n - t_0) / n of each row's group, float64[N] (EgoVLP eq. 1); NaN for one or equal times."""
    _, row, count = np.unique(group, return_inverse=True, return_counts=True)
    first = np.full(len(count), np.inf)
    last = np.full(len(count), -np.inf)
    np.minimum.at(first, row, time)
    np.maximum.at(last, row, time)
    span = last - first
    beta = np.full(len(count), np.nan)
    np.divide(span, count - 1, out=beta, where=span > 0)
    return beta[row]


def neighbours(time: np.ndarray, group: np.ndarray, beta: np.ndarray) -> Bounds:
    """Return the nearest earlier and later *different* time of each row's group, float64[N] each.

    Narrations of one instant so share their neighbours instead of getting windows of no length. Where a pass has
    nothing earlier (later), the neighbour is taken to be one mean gap away.
    """
    n = len(time)
    if n == 0:
        return time.copy(), time.copy()
    starts = np.ones(n, bool)  # first row of a run of equal times
    starts[1:] = (group[1:] != group[:-1]) | (time[1:] != time[:-1])
    run = np.cumsum(starts) - 1
    run_time, run_group = time[starts], group[starts]
    same = run_group[1:] == run_group[:-1]
    before = np.full(len(run_time), np.nan)
    after = np.full(len(run_time), np.nan)
    before[1:][same] = run_time[:-1][same]
    after[:-1][same] = run_time[1:][same]
    before, after = before[run], after[run]
    return np.where(np.isnan(before), time - beta, before), np.where(np.isnan(after), time + beta, after)


def clip_windows(
    name: str, time: np.ndarray, group: np.ndarray, beta: np.ndarray, alpha: float, verb: np.ndarray | None = None
) -> Bounds:
    """Return (start, end) float64[N] of each narration by the named strategy, not clamped; beta has no NaN.

    verb is as in `Timeline`; without it every verb takes as long as the mean verb.
    """
    before, after = neighbours(time, group, beta)
    verb = np.ones(len(time)) if verb is None else verb
    return WINDOWS[name](Timeline(time, before, after, beta, verb, fitted().reach), alpha)


def clamp(start: np.ndarray, end: np.ndarray, duration: np.ndarray) -> Bounds:
    """Cut windows to [0, duration]; a window that lies outside comes out empty (start >= end)."""
    return np.maximum(start, 0.0), np.minimum(end, duration)


def overlap_ratio(start: np.ndarray, end: np.ndarray, other_start: np.ndarray, other_end: np.ndarray) -> np.ndarray:
    """Return intersection over union of intervals row by row, float64[N]; 0 where they do not meet."""
    shared = np.maximum(np.minimum(end, other_end) - np.maximum(start, other_start), 0.0)
    union = (end - start) + (other_end - other_start) - shared
    return np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)
