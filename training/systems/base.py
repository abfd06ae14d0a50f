"""What the training loop asks of everything that it can train."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from loaders import Batch, InputError
from loaders.device import normalise
from training.config import TrainConfig
from training.draws import Draws
from training.text import Tokens


class System(ABC):
    """A model, the way from a batch to its losses, and where it has both towers, to embeddings."""

    model: nn.Module
    """what is learned and saved"""
    tokens: Tokens | None = None
    """how texts become what the model reads; None for a model without texts"""
    embedding: int = 0
    """channels of the space that texts and clips share; 0 without one"""
    new: tuple[str, ...] = ()
    """beginnings of names of parameters that start from nothing and may step faster (`OptimiserConfig.new_lr`)"""

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch, draws: Draws) -> dict[str, Tensor]:
        """Return scalars: "loss", which is learned from, and the parts to show beside it.

        network: the model as it is run, maybe compiled and data-parallel. The mean of each over ranks is that of the
        whole batch (models/gather.py). Every rank calls this, inside the world's autocast.
        """

    def pixels(self, frames: Tensor) -> Tensor:
        """Return uint8 frames [B, T, 3, S, S] as what the model was made for."""
        return normalise(frames)

    def embed_clips(self, frames: Tensor) -> Tensor:
        """Embed uint8 frames [B, T, 3, S, S] as [B, embedding]."""
        return self.model.encode_video(self.pixels(frames))

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Embed texts as [B, embedding]."""
        return self.model.encode_text(*self.tokens(texts))


def check_clips(config: TrainConfig, image: int, frames: int) -> None:
    """Raise InputError if the data shows other pictures than the model takes, or more frames."""
    if config.data.size != image:
        raise InputError(f"data.size={config.data.size}, but the model's image is {image}: set both")
    if config.data.frames > frames:
        raise InputError(f"data.frames={config.data.frames}, but the model takes {frames}: set both")
