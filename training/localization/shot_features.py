"""The features of a video's shots, and the segments that they fall into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from egocurate.models.localization.config import ShotRankerConfig
from egocurate.models.localization.kernel_segments import kernel_segments
from egocurate.training.localization.feature_folders import UNEVEN_ROWS, BadFeatures, FeatureFolders
from egocurate.training.localization.qfvs_files import SHOT_SEC


@dataclass(frozen=True)
class ShotFeatures:
    """The shots of a video by segment, float32 [S, L, D], which of them there are, bool [S, L], and each one's segment.

    Row-major through `seen` they stand in the order of the video.
    """

    rows: Tensor
    seen: Tensor


def shot_rows(video: str, count: int, folders: FeatureFolders) -> np.ndarray:
    """Return the mean of a video's rows in each of its shots, float32 [count, D]; raises BadFeatures.

    Where features end a little early, a shot without any has those before it.
    """
    rows = folders.rows(video)
    edges = np.round(np.arange(count + 1) * SHOT_SEC * folders.rate).astype(int)
    missing = edges[-1] - len(rows)
    if missing > max(UNEVEN_ROWS, 0.05 * edges[-1], SHOT_SEC * folders.rate):
        raise BadFeatures(
            f"{video}: has features to {len(rows) / folders.rate:.1f} s, and shots to {count * SHOT_SEC:g} s: "
            "another rate?"
        )
    first = edges[:-1].clip(max=len(rows) - 1)
    sums = np.concatenate([np.zeros((1, rows.shape[1])), np.cumsum(rows, 0, np.float64)])
    end = np.maximum(edges[1:].clip(max=len(rows)), first + 1)
    return ((sums[end] - sums[first]) / (end - first)[:, None]).astype(np.float32)


def by_segment(rows: np.ndarray, config: ShotRankerConfig) -> ShotFeatures:
    """Divide the shots of a video where it changes, by the cosines of their features."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.maximum(lengths, 1e-8)
    edges = kernel_segments(unit, most=config.segments, longest=config.longest, penalty=config.penalty)
    sizes = torch.from_numpy(np.diff(edges))
    seen = torch.arange(int(sizes.max())) < sizes[:, None]
    padded = torch.zeros(*seen.shape, rows.shape[1])
    padded[seen] = torch.from_numpy(rows)
    return ShotFeatures(padded, seen)
