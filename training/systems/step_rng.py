"""Random numbers of a training step, as functions of (seed, epoch, sample): the same on any number of ranks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from egocurate.loaders.batch import Batch
from egocurate.loaders.device import to_device
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.loaders.order.mixture import set_seed


@dataclass(frozen=True)
class StepRng:
    """The random numbers of a training step; only dropout has others."""

    seed: int
    epoch: int
    anchors: int
    """rows of a batch that are anchors: the first ones, on every rank as many; the others are their negatives"""
    step: int = 0
    """steps taken before this one"""
    timed: Callable[[], AbstractContextManager] = field(default=nullcontext, compare=False)
    """a context for the host's work: a GPU that has nothing to do meanwhile waits for data"""

    def uniform(self, batch: Batch, count: int) -> Tensor:
        """Return float32 [M, count] in [0, 1) on the batch's device: numbers of its clip and of being an anchor."""
        return to_device(self.on_host(batch, count), batch.frames.device)

    def of_step(self) -> np.random.Generator:
        """Return a generator of what a step draws once: its numbers are the same on every rank."""
        return generator(self.seed, self.step, Purpose.MODEL_STEP)

    def on_host(self, batch: Batch, count: int) -> Tensor:
        """Return what `uniform` does, on the CPU."""
        with self.timed():
            rows = np.empty((len(batch), count))
            for row, (source, sample) in enumerate(zip(batch.source.tolist(), batch.sample.tolist(), strict=True)):
                purpose = Purpose.MODEL if row < self.anchors else Purpose.MODEL_NEGATIVE
                rows[row] = generator(set_seed(self.seed, source), self.epoch, purpose, sample).random(count)
            # Rounding to float32 may reach 1.
            return torch.from_numpy(np.minimum(rows, 1 - 2**-24).astype(np.float32))
