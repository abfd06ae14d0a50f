"""What every frozen encoder is: frames and texts in, tokens and embeddings out, in the sizes it was trained for."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from egocurate.errors import InputError

IMAGE_FRAMES = 4
"""frames of a clip that an encoder of single images is shown, unless `data.frames` says otherwise"""


class Seen(NamedTuple):
    """What an encoder gives of clips: tokens [B, L, D], by time, row, column, and an embedding of each clip [B, E]."""

    tokens: Tensor
    clip: Tensor


@dataclass(frozen=True)
class Pixels:
    """What an encoder is shown of a frame: (levels * scale - mean) / std, red, green, blue, on `size` pixels a side."""

    scale: float = 1 / 255
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    size: int = 0
    """0: it is not said"""


CLIP_PIXELS = Pixels(mean=(0.48145466, 0.4578275, 0.40821073), std=(0.26862954, 0.26130258, 0.27577711))
IMAGENET_PIXELS = Pixels(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@dataclass(frozen=True)
class Sizes:
    """What an encoder takes and gives."""

    image: int
    patch: int
    width: int
    """channels of a token"""
    embedding: int
    """channels of a clip's embedding"""
    frames: int = IMAGE_FRAMES
    tubelet: int = 1
    """frames in a token"""
    text_tokens: int = 0
    """longest text; 0 without a text tower"""
    text_pieces: int = 0
    any_size: bool = True
    """whether it takes frames of another size than its own: by rotary positions, or ones that are resized"""
    any_frames: bool = True
    """whether it takes another number of frames than its own"""
    pads_texts: bool = False
    """whether all texts are as long as the longest that it takes, padding read like words, as it has learned"""

    def grid(self, size: int) -> int:
        """Return how many patches stand in a row of a frame of so many pixels a side."""
        return size // self.patch

    def check(self, size: int, frames: int) -> None:
        """Raise InputError for clips that the encoder does not take."""
        if size % self.patch:
            fits = max(1, size // self.patch) * self.patch
            raise InputError(f"data.size={size}: not a multiple of this encoder's patch of {self.patch}; take {fits}")
        if not self.any_size and size != self.image:
            raise InputError(f"data.size={size}, but this encoder takes {self.image} alone")
        if frames != self.frames and not self.any_frames:
            raise InputError(f"data.frames={frames}, but this encoder takes {self.frames} alone")
        if frames % self.tubelet:
            raise InputError(f"data.frames={frames}: this encoder reads {self.tubelet} at a time; take a multiple")


class Encoder(nn.Module):
    """An encoder that others have trained, to evaluate."""

    sizes: Sizes
    pixels: Pixels

    def look_through(self, pixels: Pixels) -> None:
        """Normalize frames by these numbers from now on."""
        self.pixels = pixels
        for name in ("mean", "std"):
            colors = torch.tensor(getattr(pixels, name))[:, None, None]
            self.register_buffer(f"pixel_{name}", colors, persistent=False)

    def normalize(self, frames: Tensor) -> Tensor:
        """Return uint8 frames [..., 3, S, S] as the encoder has learned to see them."""
        return (frames.float() * self.pixels.scale - self.pixel_mean) / self.pixel_std

    @abstractmethod
    def embed(self, clips: Tensor) -> Tensor:
        """Embed normalized clips [B, T, 3, S, S] as [B, E]."""

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] with their mask [B, L] as [B, E], if the sizes have texts."""
        raise NotImplementedError(f"{type(self).__name__} has no text tower")

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last hidden states [B, L, W] of token ids [B, L] with their mask [B, L], if there are texts."""
        raise NotImplementedError(f"{type(self).__name__} has no text tower")
