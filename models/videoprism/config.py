"""Sizes of VideoPrism in both stages; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the encoder; the defaults are VideoPrism-B on 16 frames of 288 pixels."""

    image: int = 288
    patch: int = 18
    frames: int = 16
    width: int = 768
    depth: int = 12  # over space
    time_depth: int = 4
    heads: int = 12
    hidden: int = 3072  # of an MLP
    cap: float = 50.0
    """bound on attention's logits; 0 leaves them free, for fused kernels"""

    @property
    def places(self) -> int:
        """Patches of a frame."""
        return (self.image // self.patch) ** 2

    @classmethod
    def tiny(cls) -> EncoderConfig:
        """A size for tests: 0.1 M parameters on 4 frames of 36 pixels."""
        return cls(image=36, patch=9, frames=4, width=48, depth=2, time_depth=1, heads=4, hidden=192)

    @classmethod
    def base(cls) -> EncoderConfig:
        """VideoPrism-B: 114.4 M parameters."""
        return cls()

    @classmethod
    def large(cls) -> EncoderConfig:
        """VideoPrism-L: 354.0 M parameters, 8 frames."""
        return cls(frames=8, width=1024, depth=24, heads=16, hidden=4096)

    @classmethod
    def giant(cls) -> EncoderConfig:
        """VideoPrism-g: 1112.8 M parameters, 8 frames."""
        return cls(frames=8, width=1408, depth=40, heads=16, hidden=6144)


@dataclass(frozen=True)
class PrismTextConfig:
    """Sizes of the text tower; the defaults go with VideoPrism-B and a vocabulary of 32 k pieces."""

    vocab: int = 32000
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    max_tokens: int = 64
    cap: float = 50.0


@dataclass(frozen=True)
class VideoPrismConfig:
    """Encoder, text tower of the same width, and how many joint layers stand between encoder and pooling."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    text: PrismTextConfig = field(default_factory=PrismTextConfig)
    auxiliary_depth: int = 2

    @classmethod
    def tiny(cls) -> VideoPrismConfig:
        """A size for tests."""
        return cls(EncoderConfig.tiny(), PrismTextConfig(64, 48, depth=2, heads=4, hidden=192, max_tokens=8))

    @classmethod
    def base(cls) -> VideoPrismConfig:
        """The published video-text model of size B: 248 M parameters."""
        return cls()

    @classmethod
    def large(cls) -> VideoPrismConfig:
        """The published video-text model of size L: 580 M parameters."""
        return cls(EncoderConfig.large(), PrismTextConfig(width=1024, heads=16, hidden=4096))


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes of each of the two decoders."""

    width: int = 512
    depth: int = 4
    heads: int = 8
    hidden: int = 2048


@dataclass(frozen=True)
class DistillationConfig:
    """The encoder of student and teacher, the student's decoders, and how many joint layers the teacher has."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: DecoderConfig = field(default_factory=DecoderConfig)
    auxiliary_depth: int = 2

    @classmethod
    def tiny(cls) -> DistillationConfig:
        """A size for tests."""
        return cls(EncoderConfig.tiny(), DecoderConfig(width=32, depth=1, heads=2, hidden=64))
