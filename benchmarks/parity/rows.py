"""What a comparison finds: one row for each thing that was compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

EMBEDDINGS = 1e-5
"""what embeddings of length 1 may differ by at most, and probabilities"""


@dataclass(frozen=True)
class Row:
    """What was compared, against whose code, on how many frames (0: on none), and the largest difference."""

    what: str
    whose: str
    frames: int
    difference: float
    bar: float = EMBEDDINGS

    @property
    def holds(self) -> bool:
        """Whether the difference is within its bar."""
        return self.difference <= self.bar

    def __str__(self) -> str:
        """One line of a table."""
        frames = f"{self.frames} frames" if self.frames else ""
        return f"{self.what:<44} | {self.whose:<40} | {frames:<9} | {self.difference:.1e} (bar {self.bar:.0e})"


def largest(ours: Tensor | np.ndarray, theirs: Tensor | np.ndarray) -> float:
    """Return the largest difference of two arrays of one shape; raises ValueError for other shapes, NaN or equal rows.

    Rows that are all alike would agree with anything that is constant.
    """
    ours, theirs = (
        np.asarray(each.detach() if isinstance(each, Tensor) else each, np.float64) for each in (ours, theirs)
    )
    if ours.shape != theirs.shape or not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise ValueError(f"ours {ours.shape} and theirs {theirs.shape} cannot be compared")
    if len(theirs) > 1 and np.abs(theirs - theirs[:1]).max() < 1e-4:
        raise ValueError("all rows are alike: the weights tell nothing apart")
    return float(np.abs(ours - theirs).max())


def unit(rows: Tensor) -> Tensor:
    """Return rows [B, D] of length 1."""
    return torch.nn.functional.normalize(rows.detach().float(), dim=1)
