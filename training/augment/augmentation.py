"""What a classifier is shown of a training batch: each clip several times, changed, erased and mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from egocurate.loaders.batch import Batch
from egocurate.loaders.device import to_device
from egocurate.models.layers.drop_path import branch_scales
from egocurate.training.augment import erasing, rand_augment
from egocurate.training.augment.mixing import Mixing, check_pairs, draw_mixing
from egocurate.training.config.loss_configs import Classification
from egocurate.training.systems.step_rng import StepRng


class Shown(NamedTuple):
    """Pixels [R, T, 3, S, S], all clips once, then all again; what scales their branches; how they are mixed."""

    pixels: Tensor
    scales: Tensor | None
    mixing: Mixing | None


class Augmentation:
    """Augmentation as functions of (seed, epoch, clip, copy), the mixing of (seed, step): the same on any ranks."""

    def __init__(self, objective: Classification, drop_path: float, depth: int) -> None:
        """Take what the objective says, and how many blocks may drop their branches, `drop_path` of the last."""
        self.objective, self.drop_path, self.depth = objective, drop_path, depth
        of_operations = objective.rand_augment * rand_augment.DRAWS
        self.draws = (of_operations, erasing.DRAWS if objective.erasing else 0, 2 * depth if drop_path else 0)

    def __call__(self, batch: Batch, step_rng: StepRng, normalize: Callable[[Tensor], Tensor]) -> Shown:
        """Return what is shown of a batch's uint8 frames; `normalize` makes of those what the model takes."""
        objective, frames, scales = self.objective, batch.frames, None
        if objective.repeats > 1:
            frames = frames.repeat(objective.repeats, 1, 1, 1, 1)
        mixing = None
        if objective.mixup or objective.cutmix:
            check_pairs(len(batch))
            mixing = draw_mixing(step_rng.of_step(), objective.mixup, objective.cutmix, *frames.shape[-2:])
        if not sum(self.draws):
            pixels = normalize(frames)
            return Shown(pixels if mixing is None else mixing.frames(pixels), None, mixing)
        numbers = step_rng.on_host(batch, objective.repeats * sum(self.draws))
        numbers = numbers.unflatten(1, (objective.repeats, -1)).transpose(0, 1).flatten(0, 1)  # as frames repeat
        for_operations, for_erasing, for_branches = numbers.split(self.draws, dim=1)
        if objective.rand_augment:
            of_operations = for_operations.unflatten(1, (objective.rand_augment, rand_augment.DRAWS))
            frames = rand_augment.rand_augment(frames, of_operations, objective.magnitude)
        pixels = normalize(frames)
        if objective.erasing:
            pixels = erasing.erase(pixels, for_erasing, objective.erasing)
        if self.drop_path:
            noise = to_device(for_branches.unflatten(1, (self.depth, 2)).contiguous(), pixels.device)
            scales = branch_scales(noise, self.drop_path)
        return Shown(pixels if mixing is None else mixing.frames(pixels), scales, mixing)
