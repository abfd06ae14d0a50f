"""Sizes of EgoVLPv2 and the weights of its losses; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from egocurate.models.layers.configs import RobertaTextConfig, VideoConfig
from egocurate.models.losses.rules import Positives, Undecided


@dataclass(frozen=True)
class EgoVLPv2Config:
    """Both towers, how many of their upper layers fuse, and the width of the space of the dual encoder."""

    video: VideoConfig = field(default_factory=lambda: VideoConfig(eps=1e-5))
    text: RobertaTextConfig = field(default_factory=RobertaTextConfig)
    fused_layers: int = 6
    projection: int = 4096
    projector: Literal["mlp", "linear"] = "mlp"
    """mlp: three maps, as published for pre-training; linear: one, the text's after a ReLU, as EgoVLP's, and of 256
    channels in the files for EK-100 and Charades-Ego"""
    shared: bool = False
    """fused passes start from the dual [CLS] too, so lower layers run once: 36 % fewer multiply-adds a step"""
    gate: float = 0.0
    """what the gates start from: 0 as published, for towers that have learned before, so that nothing disturbs them"""

    @classmethod
    def base(cls) -> EgoVLPv2Config:
        """The published size: ViT-B/16 and roberta-base, 381.6 M parameters."""
        return cls()

    @classmethod
    def small(cls) -> EgoVLPv2Config:
        """A size that learns on a CPU: 3.2 M parameters on 64 pixels."""
        return cls(
            video=VideoConfig(image=64, patch=16, width=128, depth=4, heads=4, eps=1e-5),
            text=RobertaTextConfig(vocab=2048, width=128, depth=4, heads=4, max_tokens=32, dropout=0.0),
            fused_layers=2,
            projection=256,
        )


@dataclass(frozen=True)
class ObjectiveConfig:
    """The three losses' weights (2307.05463, section 3.2: gamma = .25, delta = .5) and EgoNCE's rule."""

    egonce: float = 0.25
    mlm: float = 0.25
    vtm: float = 0.5
    temperature: float = 0.05
    positives: Positives = "and"
    undecided: Undecided = "mask"
    uniform_steps: int = 0
    """steps in which matching draws its negatives evenly; then by similarity, as published"""
