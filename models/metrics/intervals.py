"""How much two intervals of time overlap."""

from __future__ import annotations

import numpy as np


def interval_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of intervals a [..., 2] and b [..., 2], broadcast; 0 where both are empty."""
    common = np.minimum(a[..., 1], b[..., 1]) - np.maximum(a[..., 0], b[..., 0])
    common = np.maximum(common, 0)
    union = (a[..., 1] - a[..., 0]) + (b[..., 1] - b[..., 0]) - common
    return np.divide(common, union, out=np.zeros_like(common, dtype=float), where=union > 0)
