"""Which frames and which parts of the picture the views of a test show: pure functions.

A test shows a clip several times, in K temporal segments and at C places along the longer side of the picture, and
takes the mean of what a model says (VideoMAE, arXiv 2203.12602 §4: 5 x 3 views on Kinetics, 2 x 3 on
Something-Something).
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.crops import View
from egocurate.loaders.frame_sampling import segments_middle

ViewSampler = Callable[[int, int, int], np.ndarray]
"""(frames in the clip, frames wanted T, segments K) -> int64[K, T]"""


def view_sampler(pick: str) -> ViewSampler:
    """Return how a test samples what training picks: dense views for `stride-<n>`, else uniform ones; InputError."""
    stride = re.fullmatch(r"stride-([1-9]\d*)", pick)
    if stride:
        step = int(stride[1])
        return lambda count, frames, segments: dense_views(count, frames, segments, stride=step)
    if pick not in ("segments-random", "segments-middle", "uniform"):
        raise InputError(
            f"no views are picked by {pick!r}: take stride-<n> for dense ones, segments-middle for uniform"
        )
    return uniform_views


def dense_views(count: int, frames: int, segments: int, *, stride: int) -> np.ndarray:
    """Return K runs of T frames `stride` apart, spread evenly from the clip's beginning to its end, int64[K, T].

    As VideoMAE tests on Kinetics: runs begin on the grid of every stride-th frame. One run is in the middle, a clip too
    short for T repeats the last frame of its grid.
    """
    grid = np.arange(0, count, stride)
    slack = max(0, len(grid) - frames)
    starts = _spread(slack, segments)
    return grid[np.minimum(starts[:, None] + np.arange(frames), len(grid) - 1)]


def uniform_views(count: int, frames: int, segments: int) -> np.ndarray:
    """Return K times a frame of each of T equal parts of the clip, int64[K, T]: view k is k / K into each part.

    As VideoMAE tests on Something-Something, with two views: the first frames of the parts, and their middles. One
    view shows the middles.
    """
    if segments == 1:
        return segments_middle(count, frames)[None]
    parts = np.arange(frames, dtype=np.int64) * segments + np.arange(segments)[:, None]
    return parts * count // (segments * frames)


def spatial_views(height: int, width: int, crops: int) -> list[View]:
    """Return C squares of the short side, evenly spread along the long side: left, center and right for three.

    One is the center; a square picture shows the same each time.
    """
    side, slack = min(height, width), abs(height - width)
    offsets = _spread(slack, crops).tolist()
    if height > width:
        return [View(offset, 0, side, side) for offset in offsets]
    return [View(0, offset, side, side) for offset in offsets]


def _spread(slack: int, count: int) -> np.ndarray:
    """Return `count` whole numbers evenly spread from 0 to slack, int64 [count]; one is in the middle."""
    if count == 1:
        return np.array([slack // 2], np.int64)
    return np.arange(count, dtype=np.int64) * slack // (count - 1)
