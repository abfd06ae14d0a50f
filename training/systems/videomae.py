"""VideoMAE: the pixels of hidden cubes from those that are seen; no text."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.models.layers.patches import cubes
from egocurate.models.videomae.mean_guesses import MeanGuesses
from egocurate.models.videomae.model import VideoMAE, draw_mask
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, check_clips, frames_bytes, layer_bytes
from egocurate.training.systems.step_rng import StepRng


class VideoMAESystem(System):
    """VideoMAE as published (2203.12602): every clip hides its own places, in all frames the same."""

    splits_by = "rows"

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError for sizes that do not fit."""
        check_clips(config, config.model.image, config.model.frames, exactly=True)
        try:
            self.model = VideoMAE(config.model).to(ranks.device)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.sizes = config.model

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return the mean squared error: all clips hide as many cubes, so it is a mean over clips."""
        mask = draw_mask(self.sizes, step_rng.uniform(batch, self.sizes.mask_draws))
        return {"loss": network(self.pixels(batch.frames), *mask)[0]}

    def baselines(self, batches: Iterator[Batch]) -> dict[str, float]:
        """Return the losses of guessing the mean cube of a place, and of a place and time."""
        guesses: MeanGuesses | None = None
        for batch in batches:
            guesses = guesses or MeanGuesses(self.sizes, batch.frames.device)
            guesses.add(self.pixels(batch.frames))
        return guesses.losses() if guesses else {}

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in the encoder, with nothing hidden."""
        return 2 * frames_bytes(frames, self.sizes.image) + layer_bytes(
            frames // self.sizes.tubelet * self.sizes.places, self.sizes.width
        )

    def features(self, frames: Tensor) -> Tensor:
        """Return the mean of the encoder's tokens [B, width], with nothing hidden."""
        parts = cubes(self.pixels(frames), self.sizes.tubelet, self.sizes.patch)
        every = torch.arange(parts.shape[1], device=parts.device).expand(len(parts), -1)
        return self.model.encoder(parts, every).mean(1)
