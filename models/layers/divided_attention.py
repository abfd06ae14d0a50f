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
    batch, tokens = q.shape[0], q.shape[2]
    patches = (tokens - 1) // frames
    groups = frames if axis == "space" else patches

    def grouped(x: Tensor) -> Tensor:  # [B, H, T*N, d] -> [B, groups, H, length, d]
        x = x.unflatten(2, (frames, patches))
        return x.permute(0, 2, 1, 3, 4) if axis == "space" else x.permute(0, 3, 1, 2, 4)

    def with_cls(x: Tensor) -> Tensor:  # the key and value of [CLS] join every group: [B*groups, H, 1 + length, d]
        cls, rest = x.split((1, tokens - 1), dim=2)
        return torch.cat([cls[:, None].expand(-1, groups, -1, -1, -1), grouped(rest)], dim=3).flatten(0, 1)

    first, rest = q.split((1, tokens - 1), dim=2)
    cls = F.scaled_dot_product_attention(first, k, v)
    # Groups join the batch, because the fast kernels want four axes.
    out = F.scaled_dot_product_attention(grouped(rest).flatten(0, 1), with_cls(k), with_cls(v))
    out = out.unflatten(0, (batch, groups))
    out = out.permute(0, 1, 3, 2, 4) if axis == "space" else out.permute(0, 3, 1, 2, 4)  # [B, T, N, H, d]
    return torch.cat([cls.transpose(1, 2), out.flatten(1, 2)], dim=1).transpose(1, 2)


def split_heads(x: Tensor, heads: int, parts: int = 1) -> list[Tensor]:
    """Cut channels x [B, L, parts * D] into parts of [B, H, L, d] each.

    The parts are cut before the heads, so that the gradient is put together in one copy instead of two.
    """
    return [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in x.chunk(parts, dim=-1)]


class DividedAttention(nn.Module):
    """Multi-head attention over one axis of a video's tokens, scaled by head_dim ** -0.5."""

    def __init__(self, width: int, heads: int, axis: Axis) -> None:
        super().__init__()
        self.heads = heads
        self.axis: Axis = axis
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, frames: int, only_cls: bool = False) -> Tensor:
        """Mix tokens x [B, 1 + T*N, D] along the axis; same shape, or [B, 1, D] if only [CLS] is asked for."""
        if only_cls:  # it sees every token, whatever the axis
            width = x.shape[-1]
            sizes = (width, 2 * width)
            (q_weight, weight), (q_bias, bias) = self.qkv.weight.split(sizes), self.qkv.bias.split(sizes)
            (q,) = split_heads(F.linear(x[:, :1], q_weight, q_bias), self.heads)
            out = F.scaled_dot_product_attention(q, *split_heads(F.linear(x, weight, bias), self.heads, 2))
        else:
            out = divided_attention(*split_heads(self.qkv(x), self.heads, 3), frames, self.axis)
        return self.proj(out.transpose(1, 2).flatten(2))
