"""VideoPrism's encoder (2402.13217, section 3.1): a ViT on each frame, then a transformer over time at each place."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.patches import pick_tokens, tube_tokens
from egocurate.models.layers.transformer import LayerNorm, Mlp, SelfAttention, TransformerBlock
from egocurate.models.layers.video_tower import PatchEmbed
from egocurate.models.videoprism.config import EncoderConfig


class FactorizedEncoder(nn.Module):
    """ViViT's model 2 without pooling: every token has seen its frame, then its place at all times; no [CLS].

    The release stores LayerNorm scales less 1; here they are as LayerNorm has them.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        if config.image % config.patch:
            raise ValueError(f"image={config.image} is not a multiple of patch={config.patch}")
        self.config = config
        self.patch_embed = PatchEmbed(config.patch, config.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.places, config.width))
        self.space = capped_blocks(config.depth, config)
        self.space_norm = LayerNorm(config.width)
        self.temporal_embed = nn.Parameter(torch.zeros(1, config.frames, config.width))
        self.time = capped_blocks(config.time_depth, config)
        self.time_norm = LayerNorm(config.width)
        lecun_init(self)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.temporal_embed, std=0.02)

    def forward(self, frames: Tensor, places: Tensor | None = None) -> Tensor:
        """Map frames [B, T, 3, S, S] in [0, 1] to tokens [B, T * N, D], by time, row, column.

        places [B, K]: the patches to keep of every frame, the same at all times so that attention over time stays
        rectangular (then [B, T * K, D]). Any T: positions in time are interpolated.
        """
        batch, count = frames.shape[:2]
        x = self.patch_embed(frames.flatten(0, 1)) + self.pos_embed  # [B * T, N, D]
        if places is not None:
            tokens = x.unflatten(0, (batch, count)).flatten(1, 2)
            x = (
                pick_tokens(tokens, tube_tokens(places, count, self.config.places))
                .unflatten(1, (count, -1))
                .flatten(0, 1)
            )
        for block in self.space:
            x = block(x)
        x = self.space_norm(x).unflatten(0, (batch, count)).transpose(1, 2).flatten(0, 1)  # [B * K, T, D]
        x = x + _resized(self.temporal_embed, count)
        for block in self.time:
            x = block(x)
        return self.time_norm(x).unflatten(0, (batch, -1)).transpose(1, 2).flatten(1, 2)


def capped_blocks(depth: int, config: EncoderConfig) -> nn.ModuleList:
    """Return `depth` blocks of the encoder's kind."""
    return nn.ModuleList(
        TransformerBlock(SelfAttention(config.width, config.heads, config.cap), Mlp(config.width, config.hidden))
        for _ in range(depth)
    )


def lecun_init(model: nn.Module) -> None:
    """Draw linear maps and convolutions with variance 1 / fan_in, cut at two deviations, and zero biases."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            # .8796: the deviation that a unit normal keeps when cut at two
            std = 1 / math.sqrt(module.weight[0].numel()) / 0.8796
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _resized(table: Tensor, count: int) -> Tensor:
    """Interpolate positions [1, T, D] linearly to [1, count, D], averaging where there are fewer."""
    if count == table.shape[1]:
        return table
    size = (count, table.shape[2])
    return F.interpolate(table[:, None], size=size, mode="bilinear", antialias=True)[:, 0]
