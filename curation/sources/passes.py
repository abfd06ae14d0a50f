"""Tell two annotators apart in a list of narrations that pools both."""

from collections.abc import Hashable, Sequence

import numpy as np


def split_passes(job: Sequence[Hashable], time: np.ndarray) -> np.ndarray:
    """Return the pass, 1 or 2, of each narration of one video, int64[N].

    A job is one annotator's work on a stretch of the video, so narrations of a job stay together, and two jobs over the
    same stretch are two annotators. Jobs are taken by their first time; each goes to pass 1 unless it overlaps a job
    there, then to pass 2, and if it overlaps both, to the pass where the shared time is shorter. One job is pass 1.

    time float64[N] seconds; what is not finite has no say.
    """
    code: dict[Hashable, int] = {}
    of = np.fromiter((code.setdefault(name, len(code)) for name in job), np.int64, len(job))
    if len(code) < 2:
        return np.ones(len(of), np.int64)
    first = np.full(len(code), np.inf)
    last = np.full(len(code), -np.inf)
    known = np.isfinite(time)
    np.minimum.at(first, of[known], time[known])
    np.maximum.at(last, of[known], time[known])
    end = {1: -np.inf, 2: -np.inf}
    chosen = np.ones(len(code), np.int64)
    for number in np.argsort(first, kind="stable"):
        if not np.isfinite(first[number]):
            continue
        shared = {name: min(end[name], last[number]) - first[number] for name in end}
        chosen[number] = next((name for name in end if shared[name] <= 0), min(shared, key=shared.__getitem__))
        end[chosen[number]] = max(end[chosen[number]], last[number])
    return chosen[of]
