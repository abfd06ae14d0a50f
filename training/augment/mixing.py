"""Mixup (1710.09412) and CutMix (1905.04899): a clip and its label mixed with those of its neighbor in the batch.

The first row of a batch with the second, the third with the fourth: so that a pair is on one rank and in one
micro-batch however the batch is split, if each has an even number of rows. All pairs of a step have one share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from egocurate.errors import InputError
from egocurate.training.augment.erasing import Box


@dataclass(frozen=True)
class Mixing:
    """How much of a clip is its own, and for CutMix the box that is its neighbor's."""

    share: float
    box: Box | None = None

    def frames(self, frames: Tensor) -> Tensor:
        """Return clips [B, T, 3, H, W], each mixed with its neighbor."""
        others = neighbors(frames)
        if self.box is None:
            return self.share * frames + (1 - self.share) * others
        rows, columns = (slice(at, at + size) for at, size in (self.box[::2], self.box[1::2]))
        mixed = frames.clone()
        mixed[..., rows, columns] = others[..., rows, columns]
        return mixed


def draw_mixing(rng: np.random.Generator, mixup: float, cutmix: float, height: int, width: int) -> Mixing:
    """Return a step's mixing: where both are wanted, either in half of the steps.

    mixup and cutmix: the parameter a of the distribution Beta(a, a) of the share, 0 for without. CutMix's box lies
    about a uniform center and is cut off at the edges, so that the share is what is left.
    """
    cuts = cutmix > 0 and (not mixup > 0 or rng.random() < 0.5)
    share = beta(rng, cutmix if cuts else mixup)
    if not cuts:
        return Mixing(share)
    side = math.sqrt(1 - share)
    (top, bottom), (left, right) = (_span(rng.random(), side, size) for size in (height, width))
    box = Box(top, left, bottom - top, right - left)
    return Mixing(1 - box.height * box.width / (height * width), box)


def beta(rng: np.random.Generator, parameter: float) -> float:
    """Return a number of the distribution Beta(a, a), made of uniform ones alone (Johnk, Metrika 8, 1964)."""
    while True:
        one, other = (rng.random() ** (1 / parameter) for _ in range(2))
        if 0 < one + other <= 1:
            return one / (one + other)


def check_pairs(clips: int) -> None:
    """Raise InputError for an odd number of clips, in which one has no neighbor."""
    if clips % 2:
        raise InputError(
            f"mixup and cutmix mix the clips of a batch in pairs, and a rank's micro-batch has {clips}: take a "
            "batch_size of which it has an even number, or objective.mixup=0 and objective.cutmix=0"
        )


def neighbors(rows: Tensor) -> Tensor:
    """Return the neighbor of each of an even number of rows [B, ...]."""
    return rows.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)


def _span(center: float, share: float, size: int) -> tuple[int, int]:
    """Return where a side of a box begins and ends about a center, a share of the size long, cut off at the edges."""
    middle, length = int(center * size), int(size * share)
    return max(0, middle - length // 2), min(size, middle + length // 2)
