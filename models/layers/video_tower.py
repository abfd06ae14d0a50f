"""Divided space-time video tower of Frozen in Time (2104.00650) and EgoVLP (2206.01670); timm's names for ViT parts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.divided_attention import DividedAttention, Fuse
from egocurate.models.layers.transformer import Mlp


class PatchEmbed(nn.Module):
    """Cut frames into squares and map each to a token; a convolution's weight, so that image models load."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=patch, stride=patch)

    def forward(self, frames: Tensor) -> Tensor:
        """Map frames [M, 3, S, S] to tokens [M, N, D], row by row."""
        # Contiguous, or every sum of the residual stream keeps the convolution's layout and every LayerNorm copies it.
        return self.proj(frames).flatten(2).transpose(1, 2).contiguous()


def quick_gelu(x: Tensor) -> Tensor:
    """CLIP's activation: x * sigmoid(1.702 x)."""
    return x * torch.sigmoid(1.702 * x)


_ACTIVATIONS = {"vit": F.gelu, "clip": quick_gelu}


class DividedBlock(nn.Module):
    """Time attention, space attention and MLP with the residual paths of Frozen in Time, figure 2."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        width, heads, eps = config.width, config.heads, config.eps
        self.norm3 = nn.LayerNorm(width, eps=eps)
        self.timeattn = DividedAttention(width, heads, "time")
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = DividedAttention(width, heads, "space")
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, activation=_ACTIVATIONS[config.style])

    def forward(self, x: Tensor, frames: int, fuse: Fuse | None = None, only_cls: bool = False) -> Tensor:
        """Map tokens x [B, 1 + T*N, D] to the same shape; `fuse` adds to what space attention gives.

        only_cls: return [CLS] alone, [B, 1, D], for which nothing but keys and values of the patches is worked out.
        """
        t = x + self.timeattn(self.norm3(x), frames)
        seen = self.attn(self.norm1(t), frames, only_cls)
        # From x, not from t: time reaches the stream through space attention only.
        x = (x[:, :1] if only_cls else x) + (seen if fuse is None else seen + fuse(seen))
        return x + self.mlp(self.norm2(x))


class JointBlock(nn.Module):
    """Attention over all tokens of all frames and MLP: a ViT's block on a video."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        width, heads, eps = config.width, config.heads, config.eps
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = DividedAttention(width, heads, "joint")
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, activation=_ACTIVATIONS[config.style])

    def forward(self, x: Tensor, frames: int, fuse: Fuse | None = None, only_cls: bool = False) -> Tensor:
        """Map tokens x [B, 1 + T*N, D] to the same shape, as `DividedBlock` does."""
        seen = self.attn(self.norm1(x), frames, only_cls)
        x = (x[:, :1] if only_cls else x) + (seen if fuse is None else seen + fuse(seen))
        return x + self.mlp(self.norm2(x))


class VideoTower(nn.Module):
    """A ViT over [CLS] and the patches of T <= max_frames frames, frame by frame; ValueError if sizes do not fit."""

    def __init__(self, config: VideoConfig) -> None:
        super().__init__()
        if config.image % config.patch:
            raise ValueError(f"image={config.image} is not a multiple of patch={config.patch}")
        if config.width % config.heads:
            raise ValueError(f"width={config.width} is not a multiple of heads={config.heads}")
        self.config = config
        width, patches = config.width, (config.image // config.patch) ** 2
        self.patch_embed = PatchEmbed(config.patch, width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + patches, width))
        self.temporal_embed = nn.Parameter(torch.zeros(1, config.max_frames, width))
        block = DividedBlock if config.attention == "divided" else JointBlock
        self.norm_pre = nn.LayerNorm(width, eps=config.eps) if config.style == "clip" else nn.Identity()
        self.blocks = nn.ModuleList(block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width, eps=config.eps)
        self.reset()

    def reset(self) -> None:
        """Draw the weights: truncated normal .02, zero biases and temporal embedding, time attention without effect."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.zeros_(self.temporal_embed)
        # Either way time attention gives 0 at the start: the tower is the image model frame by frame. The published way
        # sets all of qkv to 0, and there query and key stay: each one's gradient is a multiple of the other. All
        # channels of the value get equal gradients too, so the layer only ever learns a rank-one mean over frames.
        # A zero projection with a random qkv starts as the same function and can learn.
        for block in self.blocks if self.config.attention == "divided" else ():
            time = block.timeattn
            if self.config.time_init == "published":
                nn.init.zeros_(time.qkv.weight)
                nn.init.ones_(time.proj.weight)
            else:
                nn.init.zeros_(time.proj.weight)

    def embed(self, frames: Tensor, cls_token: Tensor | None = None) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] to the tokens of the first block, [B, 1 + T*N, D].

        `cls_token` [1, 1, D] stands in for the tower's own.
        """
        batch, count = frames.shape[:2]
        if count > self.config.max_frames:
            raise ValueError(f"{count} frames, but max_frames={self.config.max_frames}: build the tower with more")
        x = self.patch_embed(frames.flatten(0, 1)).unflatten(0, (batch, count))  # [B, T, N, D]
        x = x + self.pos_embed[:, None, 1:] + self.temporal_embed[:, :count, None]
        cls = (self.cls_token if cls_token is None else cls_token) + self.pos_embed[:, :1]
        return self.norm_pre(torch.cat([cls.expand(batch, -1, -1), x.flatten(1, 2)], dim=1))

    def read(self, x: Tensor, frames: int, start: int = 0) -> Tensor:
        """Run tokens x [B, 1 + T*N, D] through the blocks from `start` on, and return [CLS] after LayerNorm, [B, D].

        Of the last block nothing but [CLS] is read, so nothing else is worked out: 5 % of ViT-B's multiply-adds.
        """
        for block in self.blocks[start:]:
            x = block(x, frames, only_cls=block is self.blocks[-1])
        return self.norm(x[:, 0])

    def tokens(self, frames: Tensor) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] to tokens after the last LayerNorm, [CLS] first, [B, 1 + T*N, D]."""
        x = self.embed(frames)
        for block in self.blocks:
            x = block(x, frames.shape[1])
        return self.norm(x)

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalized frames [B, T, 3, S, S] to the [CLS] token after the last LayerNorm, [B, D]."""
        return self.read(self.embed(frames), frames.shape[1])
