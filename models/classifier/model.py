"""A video tower with a head for classes: fine-tuned as a whole, or probed as it is."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from egocurate.models.classifier.config import Backbone, ClassifierConfig
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.encoder import Encoder as FrozenEncoder
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import LayerNorm
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videomae.model import Encoder, draw_linear
from egocurate.models.videoprism.encoder import FactorizedEncoder


class Classifier(nn.Module):
    """Class scores of clips, for each kind of label: a backbone, one token made of its tokens, and a linear layer.

    mean: the mean token and a LayerNorm; VideoMAE's own last LayerNorm is left out then, as published. map: what one
    learned query reads of the tokens, and a LayerNorm (VideoPrism, 2402.13217, section 4.1). cls: [CLS] as it is.
    """

    def __init__(self, config: ClassifierConfig, classes: Mapping[str, int]) -> None:
        """Build for so many classes of each kind of label; raises ValueError for sizes that do not fit."""
        super().__init__()
        sizes = config.backbone
        if config.head == "cls" and not isinstance(sizes, VideoConfig):
            raise ValueError("head=cls: this backbone has no [CLS]; take mean or map")
        if config.drop_path and not isinstance(sizes, VideoMAEConfig):
            raise ValueError("drop_path: only VideoMAE's blocks can be left out; take 0")
        if isinstance(sizes, FrozenConfig) and not config.frozen:
            raise ValueError("an encoder of transformers is probed as it is: frozen=true")
        self.config = config
        self.backbone = build_backbone(sizes, last_norm=config.head != "mean")
        width = backbone_width(self.backbone)
        if config.head == "map":
            self.pool = AttentionPool(width, max(1, width // config.head_channels), width)
            nn.init.trunc_normal_(self.pool.query, std=0.02)
        self.norm = nn.Identity() if config.head == "cls" else LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        self.scores = nn.ModuleDict({kind: nn.Linear(width, count) for kind, count in classes.items()})
        for layer in self.scores.values():
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
            layer.weight.data.mul_(config.head_scale)
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

    def features(self, frames: Tensor, scales: Tensor | None = None) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] to what the classes are read from, [B, D].

        scales [B, depth, 2]: what multiplies the branches of VideoMAE's blocks (`layers.drop_path`).
        """
        if self.config.head == "mean" and isinstance(self.backbone, Encoder):
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.frozen):
                return self.norm(self.backbone.see(frames, mean=True, scales=scales))
        tokens = self.tokens(frames)
        if self.config.head == "cls":
            return tokens[:, 0]
        return self.norm(self.pool(tokens) if self.config.head == "map" else tokens.mean(1))

    def forward(self, frames: Tensor, scales: Tensor | None = None) -> dict[str, Tensor]:
        """Map normalized frames [B, T, 3, S, S] to logits [B, classes] of each kind of label."""
        features = self.dropout(self.features(frames, scales))
        return {kind: layer(features) for kind, layer in self.scores.items()}


def build_backbone(sizes: Backbone, *, last_norm: bool = True) -> nn.Module:
    """Return the video tower of these sizes, with weights that are drawn; raises ValueError for what does not fit.

    An encoder of transformers comes with its weights, or InputError says what is wrong with them.
    """
    if isinstance(sizes, VideoMAEConfig):
        encoder = Encoder(sizes, last_norm=last_norm)
        draw_linear(encoder)
        return encoder
    if isinstance(sizes, FrozenConfig):
        from egocurate.models.frozen.hub_encoder import HubEncoder  # transformers takes its seconds to load

        return HubEncoder(sizes)
    return VideoTower(sizes) if isinstance(sizes, VideoConfig) else FactorizedEncoder(sizes)


def backbone_width(backbone: nn.Module) -> int:
    """Return the channels of a backbone's tokens."""
    return backbone.sizes.width if isinstance(backbone, FrozenEncoder) else backbone.config.width


def clip_tokens(backbone: nn.Module, frames: Tensor) -> Tensor:
    """Map frames [B, T, 3, S, S], as the backbone takes them, to its tokens [B, L, D] after the last LayerNorm."""
    if isinstance(backbone, Encoder):
        return backbone.see(frames)
    if isinstance(backbone, FrozenEncoder):
        return backbone(frames).tokens
    return backbone.tokens(frames) if isinstance(backbone, VideoTower) else backbone(frames)
