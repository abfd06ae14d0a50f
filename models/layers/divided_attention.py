"""Attention of the video tower: a patch sees [CLS] and the patches of its frame, of its position, or every token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.attention import attention, split_heads

Axis = Literal["space", "time", "joint"]
Fuse = Callable[[Tensor], Tensor]  # what another modality adds to tokens [B, L, D] after self-attention


def divided_attention(q: Tensor, k: Tensor, v: Tensor, frames: int, axis: Axis) -> Tensor:
    """Attend with [CLS] to all tokens and with each patch to [CLS] and its frame (space) or its position (time).

    "joint" lets each patch attend to all tokens too.
    q, k, v: [B, H, 1 + T*N, d], patches frame by frame; returns the same shape (Frozen in Time, 2104.00650, 3.1).
    """
    if axis == "joint":
        return attention(q, k, v)
    batch, tokens = q.shape[0], q.shape[2]
    patches = (tokens - 1) // frames
    together = positions_together(patches, frames, q.device) if axis == "time" else patches
    # Space: a group is a frame. Time: a group is some positions in all frames, and a mask keeps them apart.
    groups = frames if axis == "space" else patches // together

    def grouped(x: Tensor) -> Tensor:  # [B, H, T*N, d] -> [B, groups, H, length, d]
        x = x.unflatten(2, (frames, patches // together, together))  # [B, H, T, N/m, m, d]
        return (x.permute(0, 2, 1, 3, 4, 5) if axis == "space" else x.permute(0, 3, 1, 2, 4, 5)).flatten(3, 4)

    def with_cls(x: Tensor) -> Tensor:  # the key and value of [CLS] join every group: [B*groups, H, 1 + length, d]
        cls, rest = x.split((1, tokens - 1), dim=2)
        return torch.cat([cls[:, None].expand(-1, groups, -1, -1, -1), grouped(rest)], dim=3).flatten(0, 1)

    first, rest = q.split((1, tokens - 1), dim=2)
    mask = _same_position(together, frames, q.device) if axis == "time" and together > 1 else None
    # Groups join the batch, because the fast kernels want four axes.
    out = attention(grouped(rest).flatten(0, 1), with_cls(k), with_cls(v), mask)
    out = out.unflatten(0, (batch, groups))
    if axis == "space":
        out = out.permute(0, 1, 3, 2, 4)  # [B, T, N, H, d]
    else:
        out = out.unflatten(3, (frames, together)).permute(0, 3, 1, 4, 2, 5).flatten(2, 3)
    return torch.cat([attention(first, k, v).transpose(1, 2), out.flatten(1, 2)], dim=1).transpose(1, 2)


def positions_together(patches: int, frames: int, device: torch.device) -> int:
    """Return how many of a frame's positions attend over time in one group of a batch: a divisor of `patches`.

    A position has no more than T queries. One alone would leave most of a GPU's tile of 64 queries empty, make of a
    batch of clips one of hundreds of thousands of rows, and let flash attention's backward pass take memory for 128
    queries each. On a CPU, whose kernel works row by row, longer groups than 16 cost more than they bring. Without any
    device (meta) it is one, so that the products that are counted are the model's.
    """
    most = {"meta": 1, "cpu": 16}.get(device.type, 64) // frames
    return max(count for count in range(1, max(most, 1) + 1) if patches % count == 0)


def _same_position(positions: int, frames: int, device: torch.device) -> Tensor:
    """Return bool [T*m, 1 + T*m]: a query sees [CLS], which is first, and the keys of its own position."""
    position = torch.arange(positions, device=device).repeat(frames)
    return F.pad(position[:, None] == position, (1, 0), value=True)


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
            out = attention(q, *split_heads(F.linear(x, weight, bias), self.heads, 2))
        else:
            out = divided_attention(*split_heads(self.qkv(x), self.heads, 3), frames, self.axis)
        return self.proj(out.transpose(1, 2).flatten(2))

    def looks_at(self, x: Tensor) -> Tensor:
        """Return how much of each token x [B, 1 + T*N, D] [CLS] reads, the mean of the heads, [B, 1 + T*N]."""
        q, k, _ = split_heads(self.qkv(x), self.heads, 3)
        return torch.softmax(q[:, :, :1] @ k.transpose(2, 3) * q.shape[-1] ** -0.5, dim=-1)[:, :, 0].mean(1)
