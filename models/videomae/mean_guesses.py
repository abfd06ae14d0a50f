"""What VideoMAE's loss would be of a guess that never looks at the clip: a loss is worth what it is below these."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from egocurate.models.layers.patches import cubes
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import pixel_target


class MeanGuesses:
    """Sums over clips from which the losses of guessing the mean target of a place, or of a place and time, follow."""

    def __init__(self, config: VideoMAEConfig, device: torch.device) -> None:
        """Begin without clips."""
        self.config = config
        shape = (config.places, config.cube)
        # Sums of the targets, and of the squares: of each target, and of a place's mean over a clip's time.
        self._sums = torch.zeros(config.slots, *shape, dtype=torch.float64, device=device)
        self._squares = torch.zeros(2, dtype=torch.float64, device=device)
        self._clips = torch.zeros((), dtype=torch.float64, device=device)

    def add(self, frames: Tensor) -> None:
        """Count normalized frames [B, T, 3, S, S]."""
        config = self.config
        target = pixel_target(cubes(frames, config.tubelet, config.patch)).double()
        target = target.unflatten(1, (config.slots, config.places))  # [B, slots, places, cube]
        self._sums += target.sum(0)
        self._squares += torch.stack([target.square().sum(), target.mean(1).square().sum()])
        self._clips += len(target)

    def losses(self) -> dict[str, float]:
        """Return the mean squared error of each guess over the clips of all ranks; every rank calls this.

        Unbiased, two clips at least: the mean is that of all clips there are, not of those counted, to which it would
        be too close.
        """
        if dist.is_initialized():
            for part in (self._sums, self._squares, self._clips):
                dist.all_reduce(part)
        clips, slots, values = self._clips, self.config.slots, self._sums[0].numel()
        means = self._sums / clips
        every, over_time = self._squares / clips / values  # [per clip and value]
        every = every / slots
        of_time, of_place = means.square().mean(), means.mean(0).square().mean()
        by_time = (every - of_time) * clips / (clips - 1)
        by_place = every - of_place + (over_time - of_place) / (clips - 1)
        return {"mean_of_place": by_place.item(), "mean_of_place_and_time": by_time.item()}
