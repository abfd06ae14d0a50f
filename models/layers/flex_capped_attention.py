"""Attention with capped logits in one fused kernel, where PyTorch makes them: the logits are never in memory."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention

from egocurate.models.layers.attention import MOST_ROWS, rows_at_once

LEAST_TOKENS = 128
"""a tile of the kernel: below it there is little to save"""
_HEADS = (16, 32, 64, 128)  # channels that need no padding
_CAPABILITY = (8, 0)  # Ampere: bf16, and shared memory for the kernel's tiles


def flex_capped_attention(q: Tensor, k: Tensor, v: Tensor, cap: float) -> Tensor:
    """Return softmax(cap * tanh(q.k / sqrt(d) / cap)) v, [B, H, L, d], to be compiled (FlexAttention, 2412.05496).

    It keeps q, k, v, the result and one number a query for the backward pass. Calls are as few as CUDA's limits on a
    grid, B * H, and on elements allow.
    """
    # A tensor, one number a head: a second value of a plain number would become a symbol, which no kernel is made with.
    caps = torch.full((q.shape[1],), cap, device=q.device)

    def capped(score: Tensor, b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return caps[h] * torch.tanh(score / caps[h])

    rows = max(1, min(rows_at_once(q), MOST_ROWS // q.shape[1]))
    if len(q) <= rows:
        return flex_attention(q, k, v, score_mod=capped)
    parts = zip(q.split(rows), k.split(rows), v.split(rows), strict=True)
    return torch.cat([flex_attention(*qkv, score_mod=capped) for qkv in parts])


def has_flex_kernel(q: Tensor, mask: Tensor | None) -> bool:
    """Tell whether the kernel serves queries [B, H, L, d]: a GPU from Ampere on, with Triton, many tokens, no mask.

    Masks are left out: of lengths that are no multiple of 128 a mask and a cap together gave gradients that are no
    numbers (pytorch#153799).
    """
    if q.device.type != "cuda" or mask is not None:
        return False
    return q.shape[2] >= LEAST_TOKENS and q.shape[3] in _HEADS and _makes_kernels(q.device.index or 0)


@torch.compiler.assume_constant_result
def _makes_kernels(gpu: int) -> bool:
    return torch.cuda.get_device_capability(gpu) >= _CAPABILITY and find_spec("triton") is not None
