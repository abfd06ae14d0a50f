"""Sizes of EgoVLP; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass, field

from egocurate.models.layers.configs import TextConfig, VideoConfig


@dataclass(frozen=True)
class EgoVLPConfig:
    """Both towers and the width of the space they share."""

    video: VideoConfig = field(default_factory=VideoConfig)
    text: TextConfig = field(default_factory=TextConfig)
    projection: int = 256

    @classmethod
    def base(cls) -> EgoVLPConfig:
        """The published size: ViT-B/16 and distilbert-base, 180.9 M parameters."""
        return cls()

    @classmethod
    def small(cls) -> EgoVLPConfig:
        """A size that learns on a CPU in a minute or two: 1.5 M parameters on 64 pixels."""
        return cls(
            video=VideoConfig(image=64, patch=16, width=128, depth=3, heads=4),
            text=TextConfig(vocab=2048, width=128, depth=2, heads=4, max_tokens=32, dropout=0.0),
            projection=128,
        )
