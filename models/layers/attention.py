"""Scaled dot-product attention within what CUDA's kernels take, and heads cut from channels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_ROWS = 65_535
"""rows of a batch that a kernel takes: CUDA's limit of a grid beyond its first axis (pytorch#142228, #146704)"""
_MOST_ELEMENTS = 2**31 - 1  # that flash attention's backward pass can number in its sums for the queries
_TILE, _LEAST_CHANNELS = 128, 32  # to which those sums are rounded up


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, dropout: float = 0.0) -> Tensor:
    """Return softmax(q.k / sqrt(d)) v, [B, H, L, d], in as many calls as CUDA's limits on B and on elements ask for.

    q: [B, H, L, d]; k, v: [B, H, S, d]; mask: bool, True where a query sees a key, broadcastable to [B, H, L, S];
    dropout: share of the weights set to 0.
    """
    rows = rows_at_once(q)
    if len(q) <= rows:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
    of_each_row = mask is not None and mask.ndim == 4 and len(mask) > 1
    masks = mask.split(rows) if of_each_row else [mask] * -(-len(q) // rows)
    parts = zip(q.split(rows), k.split(rows), v.split(rows), masks, strict=True)
    return torch.cat([F.scaled_dot_product_attention(*qkv, attn_mask=m, dropout_p=dropout) for *qkv, m in parts])


def rows_at_once(q: Tensor) -> int:
    """Return how many rows of queries [B, H, L, d] one call may have."""
    _, heads, length, channels = q.shape
    elements = heads * -(-length // _TILE) * _TILE * max(channels, _LEAST_CHANNELS)
    return max(1, min(MOST_ROWS, _MOST_ELEMENTS // elements))


def split_heads(x: Tensor, heads: int, parts: int = 1) -> list[Tensor]:
    """Cut channels x [B, L, parts * D] into parts of [B, H, L, d] each.

    The parts are cut before the heads, so that the gradient is put together in one copy instead of two.
    """
    return [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in x.chunk(parts, dim=-1)]
