"""Kernel temporal segmentation: where a video changes, by dynamic programming (Potapov et al., ECCV 2014)."""

from __future__ import annotations

import math

import numpy as np


def kernel_segments(rows: np.ndarray, *, most: int = 20, longest: int = 200, penalty: float = 1.0) -> np.ndarray:
    """Return where the segments of features [N, D] begin and end, int64 [S + 1], from 0 to N.

    The kernel is the product of two rows. Of all divisions into at most `most` segments, of at most `longest` rows
    each, it is the one with the least scatter within its segments, by row, and penalty m / 2N (log(N / m) + 1) for its
    m changes (section 3.3). More segments than `most` come of a video that is longer than most * longest rows.
    """
    count = len(rows)
    most = min(count, max(most, math.ceil(count / longest)))
    cost = _scatters(rows, min(longest, count))
    # best[m, n]: the least scatter of the first n rows in m + 1 segments; last[m, n]: the rows of the last of them.
    best, last = np.full((most, count + 1), np.inf), np.zeros((most, count + 1), np.int64)
    before = np.full(count + 1, np.inf)
    before[0] = 0
    for changes in range(most):
        for length in range(1, cost.shape[0] + 1):
            total = before[: count + 1 - length] + cost[length - 1, : count + 1 - length]
            better = total < best[changes, length:]
            best[changes, length:][better] = total[better]
            last[changes, length:][better] = length
        before = best[changes]
    changes = np.arange(1, most)
    penalties = np.append(0, penalty * changes / (2 * count) * (np.log(count / changes) + 1))
    return _edges(last, int((best[:, count] / count + penalties).argmin()), count)


def _scatters(rows: np.ndarray, longest: int) -> np.ndarray:
    """Return the scatter of rows [n, n + w) around their mean at [w - 1, n], float64 [longest, N]."""
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, 0, np.float64)])
    squares = np.append(0, np.cumsum(np.square(rows, dtype=np.float64).sum(1)))
    scatters = np.full((longest, len(rows)), np.inf)
    for length in range(1, longest + 1):
        inside = np.square(sums[length:] - sums[:-length]).sum(1)
        scatters[length - 1, : len(inside)] = squares[length:] - squares[:-length] - inside / length
    return scatters


def _edges(last: np.ndarray, changes: int, count: int) -> np.ndarray:
    edges = [count]
    for number in range(changes, -1, -1):
        edges.append(edges[-1] - int(last[number, edges[-1]]))
    return np.array(edges[::-1], np.int64)
