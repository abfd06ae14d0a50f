"""Stochastic depth: in training a residual branch is left out for some clips, and counts for more in the others."""

from __future__ import annotations

import torch
from torch import Tensor


def branch_scales(noise: Tensor, most: float) -> Tensor:
    """Return what multiplies each branch of each block, [B, depth, 2]: 0, or 1 / (1 - p) so that its mean stays.

    noise [B, depth, 2]: uniform random numbers. p rises evenly from 0 in the first block to `most` in the last
    (1603.09382, section 3, as ViTs have it: from 0 on, and a clip at a time).
    """
    dropped = torch.linspace(0, most, noise.shape[1], device=noise.device)[:, None]
    return (noise >= dropped).to(noise.dtype) / (1 - dropped)


def scaled(branch: Tensor, scale: Tensor | None) -> Tensor:
    """Return a residual branch [B, ...] times the scale [B] of each clip; as it is without scales."""
    return branch if scale is None else branch * scale.to(branch.dtype).reshape(-1, *[1] * (branch.ndim - 1))
