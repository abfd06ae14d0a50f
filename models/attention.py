"""Attention of the video tower: a patch sees [CLS] and the patches of its frame, of its position, or every token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Axis = Literal["space", "time", "joint"]
Fuse = Callable[[Tensor], Tensor]  # what another modality adds to tokens [B, L, D] after self-attention


def divided_attention(q: Tensor, k: Tensor, v: Tensor, frames: int, axis: Axis) -> Tensor:
    """Attend with [CLS] to all tokens and with each patch to [CLS] and its frame (space) or its position (time).

    "joint" lets each patch attend to all tokens too.
    q, k, v: [B, H, 1 + T*N, d], patches frame by frame; returns the same shape (Frozen in Time, 2104.00650, 3.1).
    """
    if axis == "joint":
        return F.scaled_dot_product_attention(q, k, v)
    batch, heads, tokens, dim = q.shape
    patches = (tokens - 1) // frames
    groups, length = (frames, patches) if axis == "space" else (patches, frames)

    def grouped(
        x: Tensor,
    ) -> Tensor:  # [B, H, T*N, d] -> [B*groups, H, length, d], four axes as the fast kernels want them
        x = x.view(batch, heads, frames, patches, dim)
        x = x.permute(0, 2, 1, 3, 4) if axis == "space" else x.permute(0, 3, 1, 2, 4)
        return x.reshape(batch * groups, heads, length, dim)

    def with_cls(x: Tensor) -> Tensor:  # the key and value of [CLS] join every group
        cls = x[:, None, :, :1].expand(batch, groups, heads, 1, dim).reshape(batch * groups, heads, 1, dim)
        return torch.cat([cls, grouped(x[:, :, 1:])], dim=2)

    cls = F.scaled_dot_product_attention(q[:, :, :1], k, v)
    out = F.scaled_dot_product_attention(grouped(q[:, :, 1:]), with_cls(k), with_cls(v))
    out = out.view(batch, groups, heads, length, dim)
    out = out.permute(0, 2, 1, 3, 4) if axis == "space" else out.permute(0, 2, 3, 1, 4)
    return torch.cat([cls, out.reshape(batch, heads, tokens - 1, dim)], dim=2)


class DividedAttention(nn.Module):
    """Multi-head attention over one axis of a video's tokens, scaled by head_dim ** -0.5."""

    def __init__(self, width: int, heads: int, axis: Axis) -> None:
        super().__init__()
        self.heads = heads
        self.axis: Axis = axis
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Mix tokens x [B, 1 + T*N, D] along the axis; same shape."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        out = divided_attention(q, k, v, frames, self.axis)
        return self.proj(out.transpose(1, 2).reshape(batch, tokens, width))
