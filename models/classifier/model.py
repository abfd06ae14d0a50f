"""A video tower with a head for classes: fine-tuned as a whole, or probed as it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from egocurate.models.classifier.config import Backbone, ClassifierConfig
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.patches import cubes
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import Encoder
from egocurate.models.videoprism.encoder import FactorizedEncoder


class Classifier(nn.Module):
    """Class scores of clips, for each kind of label: a backbone, one token made of its tokens, and a linear layer.

    The mean token goes through a LayerNorm, as VideoMAE's does in fine-tuning; so does what a MAP head reads
    (VideoPrism, 2402.13217, section 4.1: one layer of attention pooling on frozen features).
    """

    def __init__(self, config: ClassifierConfig, classes: Mapping[str, int]) -> None:
        """Build for so many classes of each kind of label; raises ValueError for sizes that do not fit."""
        super().__init__()
        if config.head == "cls" and not isinstance(config.backbone, VideoConfig):
            raise ValueError("head=cls: this backbone has no [CLS]; take mean or map")
        self.config, width = config, config.backbone.width
        self.backbone = build_backbone(config.backbone)
        if config.head == "map":
            self.pool = AttentionPool(width, config.heads, width)
            nn.init.trunc_normal_(self.pool.query, std=0.02)
        self.norm = nn.Identity() if config.head == "cls" else nn.LayerNorm(width, eps=1e-6)
        self.dropout = nn.Dropout(config.dropout)
        self.scores = nn.ModuleDict({kind: nn.Linear(width, count) for kind, count in classes.items()})
        for layer in self.scores.values():
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        if config.frozen:
            self.backbone.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode of what learns: a frozen backbone drops nothing, and is looked at as it is."""
        super().train(mode)
        if self.config.frozen:
            self.backbone.eval()
        return self

    def tokens(self, frames: Tensor) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] to the backbone's tokens [B, L, D]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
            return clip_tokens(self.backbone, frames)

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Map normalized frames [B, T, 3, S, S] to logits [B, classes] of each kind of label."""
        tokens = self.tokens(frames)
        if self.config.head == "cls":
            seen = tokens[:, 0]
        elif self.config.head == "map":
            seen = self.pool(tokens)
        else:
            seen = tokens.mean(1)
        seen = self.dropout(self.norm(seen))
        return {kind: layer(seen) for kind, layer in self.scores.items()}


def build_backbone(sizes: Backbone) -> nn.Module:
    """Return the video tower of these sizes, with weights that are drawn; raises ValueError for what does not fit."""
    if isinstance(sizes, VideoMAEConfig):
        return Encoder(sizes)
    return VideoTower(sizes) if isinstance(sizes, VideoConfig) else FactorizedEncoder(sizes)


def clip_tokens(backbone: nn.Module, frames: Tensor) -> Tensor:
    """Map frames [B, T, 3, S, S], as the backbone takes them, to its tokens [B, L, D] after the last LayerNorm."""
    if isinstance(backbone, Encoder):
        sizes = backbone.config
        parts = cubes(frames, sizes.tubelet, sizes.patch)
        every = torch.arange(parts.shape[1], device=parts.device).expand(len(parts), -1)
        return backbone(parts, every)
    return backbone.tokens(frames) if isinstance(backbone, VideoTower) else backbone(frames)
