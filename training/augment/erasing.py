"""Random erasing (1708.04896): noise in place of a box, the same box in all frames of a clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_TRIES = 10
DRAWS = 2 + 4 * _TRIES
"""random numbers of a clip: whether, the seed of the noise, and area, ratio, row and column of each try"""
LEAST, MOST = 0.02, 1 / 3
"""share of the picture"""
RATIO = 0.3
"""height to width is between this and its inverse"""


class Box(NamedTuple):
    """Rows and columns of a picture."""

    top: int
    left: int
    height: int
    width: int


def erase(frames: Tensor, draws: Tensor, probability: float) -> Tensor:
    """Return normalized clips [B, T, 3, H, W], some with a box of standard normal noise.

    draws: float [B, DRAWS] in [0, 1) on the host.
    """
    boxes = [box_of(row, probability, *frames.shape[-2:]) for row in draws.tolist()]
    if not any(boxes):
        return frames
    frames = frames.clone()
    for clip, box, row in zip(frames, boxes, draws.tolist(), strict=True):
        if box:
            noise = torch.Generator(frames.device).manual_seed(int(row[1] * 2**24))
            part = clip[..., box.top : box.top + box.height, box.left : box.left + box.width]
            part.copy_(torch.randn(part.shape, generator=noise, device=frames.device, dtype=frames.dtype))
    return frames


def box_of(row: Sequence[float], probability: float, height: int, width: int) -> Box | None:
    """Return what is erased of a picture by its random numbers; None for nothing, or if ten tries do not fit."""
    if row[0] >= probability:
        return None
    for start in range(2, DRAWS, 4):
        area, ratio, down, across = row[start : start + 4]
        pixels = height * width * (LEAST + (MOST - LEAST) * area)
        slant = math.exp(math.log(RATIO) * (1 - 2 * ratio))  # from RATIO to its inverse, its logarithm uniform
        box_height, box_width = round(math.sqrt(pixels * slant)), round(math.sqrt(pixels / slant))
        if 0 < box_height < height and 0 < box_width < width:
            top, left = int(down * (height - box_height + 1)), int(across * (width - box_width + 1))
            return Box(top, left, box_height, box_width)
    return None
