"""A clip's features at the length that a model takes: means of equal parts, and the times where they begin and end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Pooled(NamedTuple):
    """Features of positions, float32 [P, D], and where they begin and end in seconds of the clip, float64 [P + 1]."""

    rows: np.ndarray
    edges: np.ndarray

    def span(self, answer: tuple[float, float]) -> tuple[int, int]:
        """Return the first and the last position of the span whose ends are nearest to those of a stretch."""
        last = len(self.rows) - 1
        first = int(np.abs(self.edges[:-1] - answer[0]).argmin())
        return first, min(max(first, int(np.abs(self.edges[1:] - answer[1]).argmin())), last)

    def window(self, spans: np.ndarray) -> np.ndarray:
        """Return the seconds of spans [K, 2], first and last position of each."""
        return np.stack([self.edges[spans[:, 0]], self.edges[spans[:, 1] + 1]], 1)


def pool(rows: np.ndarray, longest: int, seconds: np.ndarray, end_sec: float) -> Pooled:
    """Pool rows [N, D] to at most `longest` positions; seconds: where each row begins in the clip, float64 [N].

    The last position ends where the clip does.
    """
    count = min(longest, len(rows))
    first = np.round(np.linspace(0, len(rows), count + 1)).astype(int)
    sizes = np.diff(first)[:, None]
    means = np.add.reduceat(rows, first[:-1], axis=0) / sizes
    edges = np.append(seconds[first[:-1]], end_sec).clip(0, end_sec)
    return Pooled(means.astype(np.float32), edges)
