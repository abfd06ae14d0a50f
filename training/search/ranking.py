"""Which stretches of videos answer a text best: pure functions of scores of windows that overlap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

FALL = 0.05
"""A hit goes on to the windows beside its best one, each touching the last, that lose at most this share of its lead.

The lead of a window is its score over the median of all: what nothing in particular scores. On the demo's unseen videos
hits are as long as the actions then, 2.3 s.
"""


SAMPLE = 1 << 16  # of the scores, whose median is near enough to that of all
ROUNDING = 1e-6  # seconds


class Windows(NamedTuple):
    """Windows of videos: those of one video stand together in order of time."""

    video: np.ndarray  # int32 [N], which video
    start_sec: np.ndarray  # float64 [N]
    end_sec: np.ndarray  # float64 [N]


class Span(NamedTuple):
    """Windows `first` to `last` of one video, both among them, that are one hit, and the score of the best of them."""

    first: int
    last: int
    score: float


def score_windows(rows: Tensor, query: Tensor) -> np.ndarray:
    """Return the products of rows [N, D] with a query [D], float32 [N]; -inf where a row holds no numbers.

    One pass over the rows as they are stored: nothing of them is copied, and what is not in memory yet is read once.
    """
    scores = torch.mv(rows, query.to(rows.dtype)).float()
    return torch.nan_to_num(scores, nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf).numpy()


def best_spans(scores: np.ndarray, windows: Windows, top: int, *, fall: float = FALL) -> list[Span]:
    """Return at most `top` spans of windows by falling score: non-maximum suppression along each video.

    The best window that is left becomes a hit, with the windows around it that are nearly as good; what overlaps the
    hit in time is no hit any more.
    """
    spans: list[Span] = []
    taken = ~np.isfinite(scores)
    some = scores[:: 1 + len(scores) // SAMPLE]
    some = some[np.isfinite(some)]
    median = float(np.median(some)) if len(some) else 0.0
    count = 0
    while len(spans) < top and count < len(scores):
        count = min(len(scores), max(4 * count, 32 * top))
        for best in _highest(scores, count):
            if taken[best]:
                continue
            floor = scores[best] - fall * max(0.0, float(scores[best]) - median)
            span = _grown(int(best), floor, scores, windows, taken)
            _take(span, windows, taken)
            spans.append(span)
            if len(spans) == top:
                break
    return spans


def _highest(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the places of the `count` highest scores, the highest first; the others are not sorted."""
    places = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    return places[np.lexsort((places, -scores[places]))]


def _grown(best: int, floor: float, scores: np.ndarray, windows: Windows, taken: np.ndarray) -> Span:
    """Return the span around the best window whose windows touch each other and score at least `floor`."""
    first = last = best
    while first and _touch(first - 1, first, windows) and not taken[first - 1] and scores[first - 1] >= floor:
        first -= 1
    end = len(scores) - 1
    while last < end and _touch(last, last + 1, windows) and not taken[last + 1] and scores[last + 1] >= floor:
        last += 1
    return Span(first, last, float(scores[best]))


def _take(span: Span, windows: Windows, taken: np.ndarray) -> None:
    """Mark the windows of a span, and those that overlap it in time."""
    first, last = span.first, span.last
    while first and _overlap(first - 1, span.first, windows):
        first -= 1
    while last + 1 < len(taken) and _overlap(span.last, last + 1, windows):
        last += 1
    taken[first : last + 1] = True


def _touch(one: int, after: int, windows: Windows) -> bool:
    return windows.video[one] == windows.video[after] and windows.start_sec[after] <= windows.end_sec[one] + ROUNDING


def _overlap(one: int, after: int, windows: Windows) -> bool:
    return windows.video[one] == windows.video[after] and windows.start_sec[after] < windows.end_sec[one] - ROUNDING
