"""Sizes of VideoMAE; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class VideoMAEConfig:
    """Sizes of encoder and decoder; the defaults are ViT-B on 16 frames of 224 pixels."""

    image: int = 224
    patch: int = 16
    frames: int = 16
    tubelet: int = 2  # frames in a cube
    width: int = 768
    depth: int = 12
    heads: int = 12
    decoder_width: int = 384
    decoder_depth: int = 4  # table 1a: best of 1, 2, 4, 8
    decoder_heads: int = 6
    mask_ratio: float = 0.9  # of the places of a frame, rounded down
    mask: Literal["tube", "random", "frame"] = "tube"  # table 1b: the same places at all times is best

    @property
    def slots(self) -> int:
        """Cubes one behind the other in time."""
        return self.frames // self.tubelet

    @property
    def places(self) -> int:
        """Cubes beside each other in a frame."""
        return (self.image // self.patch) ** 2

    @property
    def hidden(self) -> int:
        """Places that are hidden in pre-training."""
        return int(self.mask_ratio * self.places)

    @property
    def mask_draws(self) -> int:
        """Random numbers that say what is hidden of a clip: one for a place, a cube, or a time."""
        return {"tube": self.places, "random": self.slots * self.places, "frame": self.slots}[self.mask]

    @property
    def mask_hides(self) -> int:
        """How many of those places, cubes or times are hidden."""
        return {"tube": self.hidden, "random": self.slots * self.hidden, "frame": int(self.mask_ratio * self.slots)}[
            self.mask
        ]

    @property
    def cube(self) -> int:
        """Values in a cube."""
        return self.tubelet * self.patch**2 * 3

    @classmethod
    def tiny(cls) -> VideoMAEConfig:
        """A size for tests: 0.09 M parameters on 4 frames of 32 pixels."""
        return cls(
            image=32, patch=8, frames=4, width=48, depth=2, heads=4, decoder_width=24, decoder_depth=1, decoder_heads=2
        )

    @classmethod
    def small(cls) -> VideoMAEConfig:
        """ViT-S: 24.0 M parameters in pre-training, 22 M as a classifier."""
        return cls(width=384, depth=12, heads=6, decoder_width=192, decoder_heads=3)

    @classmethod
    def base(cls) -> VideoMAEConfig:
        """ViT-B: 94.2 M parameters in pre-training, 86.5 M as a classifier."""
        return cls()

    @classmethod
    def large(cls) -> VideoMAEConfig:
        """ViT-L: 317.8 M parameters in pre-training, 304 M as a classifier."""
        return cls(width=1024, depth=24, heads=16, decoder_width=512, decoder_heads=8)

    @classmethod
    def huge(cls) -> VideoMAEConfig:
        """ViT-H: 653.1 M parameters in pre-training, 632 M as a classifier."""
        return cls(width=1280, depth=32, heads=16, decoder_width=640, decoder_heads=8)
