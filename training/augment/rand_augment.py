"""RandAugment (1909.13719) as VideoMAE is fine-tuned with it: rand-m7-n4-mstd0.5-inc1, the same on all frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from egocurate.training.augment import pixel_ops as ops

DRAWS = 5
"""random numbers of an operation: whether, which, two of its magnitude, and its sign"""
MOST = 10
"""the largest magnitude"""
PROBABILITY = 0.5
"""of each operation that it happens"""
DEVIATION = 0.5
"""of magnitudes"""

Operation = Callable[[Tensor, float, float], Tensor]
"""(frames, share of the largest magnitude, sign) -> frames"""


def _rotate(frames: Tensor, share: float, sign: float) -> Tensor:
    angle = math.radians(30 * share * sign)
    cosine, sine = math.cos(angle), math.sin(angle)
    return ops.warp(frames, ((cosine, -sine, 0), (sine, cosine, 0)))


def _factor(share: float, sign: float) -> float:
    return max(0.1, 1 + 0.9 * share * sign)


OPERATIONS: dict[str, Operation] = {
    "auto_contrast": lambda frames, share, sign: ops.auto_contrast(frames),
    "equalize": lambda frames, share, sign: ops.equalize(frames),
    "invert": lambda frames, share, sign: ops.invert(frames),
    "rotate": _rotate,
    "posterize": lambda frames, share, sign: ops.posterize(frames, 4 - int(4 * share)),
    "solarize": lambda frames, share, sign: ops.solarize(frames, 256 - int(256 * share)),
    "solarize_add": lambda frames, share, sign: ops.solarize_add(frames, int(110 * share)),
    "color": lambda frames, share, sign: ops.saturate(frames, _factor(share, sign)),
    "contrast": lambda frames, share, sign: ops.change_contrast(frames, _factor(share, sign)),
    "brightness": lambda frames, share, sign: ops.brighten(frames, _factor(share, sign)),
    "sharpness": lambda frames, share, sign: ops.sharpen(frames, _factor(share, sign)),
    "shear_x": lambda frames, share, sign: ops.warp(frames, ((1, 0.3 * share * sign, 0), (0, 1, 0))),
    "shear_y": lambda frames, share, sign: ops.warp(frames, ((1, 0, 0), (0.3 * share * sign, 1, 0))),
    "translate_x": lambda frames, share, sign: ops.warp(
        frames, ((1, 0, 0.45 * frames.shape[-1] * share * sign), (0, 1, 0))
    ),
    "translate_y": lambda frames, share, sign: ops.warp(
        frames, ((1, 0, 0), (0, 1, 0.45 * frames.shape[-2] * share * sign))
    ),
}
"""The operations whose strength rises with the magnitude ("inc1"), each as likely as the others."""


def rand_augment(frames: Tensor, draws: Tensor, magnitude: float) -> Tensor:
    """Return clips uint8 [B, T, 3, H, W], each changed by operations of its own, one after the other.

    draws: float [B, n, DRAWS] in [0, 1) on the host, for n operations, of which each happens or not.
    """
    return torch.stack([_augmented(clip, rows, magnitude) for clip, rows in zip(frames, draws.tolist(), strict=True)])


def _augmented(clip: Tensor, rows: Sequence[Sequence[float]], magnitude: float) -> Tensor:
    names = list(OPERATIONS)
    for whether, which, one, other, side in rows:
        if whether < PROBABILITY:
            drawn = min(max(magnitude + DEVIATION * normal(one, other), 0.0), MOST)
            clip = OPERATIONS[names[int(which * len(names))]](clip, drawn / MOST, 1.0 if side < 0.5 else -1.0)
    return clip


def normal(one: float, other: float) -> float:
    """Return a standard normal number made of two uniform ones in [0, 1) (Box and Muller, 1958)."""
    return math.sqrt(-2 * math.log(1 - one)) * math.cos(2 * math.pi * other)
