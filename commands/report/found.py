"""How well the clips of one folder find those of another in the same videos, as windows find gold segments. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.windows import overlap_ratio

_PAIRS_AT_ONCE = 1 << 20
_INSIDE = 0.999  # of its length, as times are rounded


@dataclass(frozen=True)
class Found:
    """Of N clips in videos that both tables have: the best IoU with a clip of the other, and the largest share in one.

    Both float64[N], 0 where no clip of the other meets it. `videos` is how many videos both have.
    """

    ratio: np.ndarray
    share: np.ndarray
    videos: int

    def line(self, other: str) -> str:
        """Say how many clips a clip of the other folder meets, holds whole, and fits."""
        parts = (self.ratio > 0).mean(), (self.share >= _INSIDE).mean(), (self.ratio >= 0.5).mean()
        return (
            f"Of {len(self.ratio):,} clips in {self.videos:,} videos of both, a clip of {other} meets {parts[0]:.1%}, "
            f"covers {parts[1]:.1%} whole, and overlaps {parts[2]:.1%} by an IoU of 0.5 or more; the best IoU is "
            f"{self.ratio.mean():.3f} on average, median {np.median(self.ratio):.3f}."
        )


def find_clips(of: pa.Table, by: pa.Table) -> Found:
    """Return how the clips of a table are found by those of another."""
    uids = pa.array(sorted(set(pc.unique(of["video_uid"]).to_pylist()) & set(pc.unique(by["video_uid"]).to_pylist())))
    video, others = (_codes(table["video_uid"], uids) for table in (of, by))
    bounds, other_bounds = ([table[name].to_numpy() for name in ("clip_start", "clip_end")] for table in (of, by))
    ratio, share = np.zeros(len(of)), np.zeros(len(of))
    order, other_order = (np.argsort(codes, kind="stable") for codes in (video, others))
    for code in range(len(uids)):
        rows, candidates = (
            sorted_rows[slice(*np.searchsorted(codes[sorted_rows], [code, code + 1]))]
            for codes, sorted_rows in ((video, order), (others, other_order))
        )
        start, end = (bound[candidates] for bound in other_bounds)
        step = max(1, _PAIRS_AT_ONCE // len(candidates))
        for first in range(0, len(rows), step):
            piece = rows[first : first + step]
            ratio[piece], share[piece] = _best(bounds[0][piece], bounds[1][piece], start, end)
    is_shared = video >= 0
    return Found(ratio[is_shared], share[is_shared], len(uids))


def _codes(column: pa.ChunkedArray, uids: pa.Array) -> np.ndarray:
    return pc.index_in(column.cast(pa.string()), value_set=uids.cast(pa.string())).fill_null(-1).to_numpy()


def _best(
    start: np.ndarray, end: np.ndarray, other_start: np.ndarray, other_end: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best IoU and the largest share of each of n intervals among m others, float64[n]."""
    size = len(start), len(other_start)
    mine = [np.repeat(bound, size[1]) for bound in (start, end)]
    others = [np.tile(bound, size[0]) for bound in (other_start, other_end)]
    shared = np.maximum(np.minimum(mine[1], others[1]) - np.maximum(mine[0], others[0]), 0.0)
    share = shared / np.maximum(mine[1] - mine[0], np.finfo(float).tiny)
    return overlap_ratio(*mine, *others).reshape(size).max(axis=1), share.reshape(size).max(axis=1)
