"""The plain transformer that VideoMAE and VideoPrism are made of: pre-norm blocks of self-attention and an MLP."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from egocurate.models.layers.attention import attention, split_heads
from egocurate.models.layers.drop_path import scaled
from egocurate.models.layers.flex_capped_attention import flex_capped_attention, has_flex_kernel

LayerNorm = partial(nn.LayerNorm, eps=1e-6)
MOST_LOGITS = 2**28
"""that `lean_capped_attention` has at once, some 10 bytes each"""


def capped_attention(q: Tensor, k: Tensor, v: Tensor, cap: float, mask: Tensor | None = None) -> Tensor:
    """Attend with logits l = q.k / sqrt(d) held within +-cap by cap * tanh(l / cap), softmax in float32.

    q, k, v: [B, H, L, d]; mask: bool, True where a query sees a key, broadcastable to [B, H, L, L]; the source of the
    formula is VideoPrism (2402.13217, released encoder). The logits exist in memory, which no fused kernel asks for.
    """
    logits = cap * torch.tanh((q * (q.shape[-1] ** -0.5 / cap)) @ k.transpose(-2, -1))
    if mask is not None:
        logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
    return torch.softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32)).to(v.dtype) @ v


def lean_capped_attention(q: Tensor, k: Tensor, v: Tensor, cap: float, mask: Tensor | None = None) -> Tensor:
    """Return what `capped_attention` does, keeping q, k and v for the backward pass and working the logits out again.

    Logits, their tanh and the weights are most of what the encoder keeps of a clip, and a small part of its work. They
    are there for some rows at a time, forward and backward: of 4,096 tokens seen together, a clip's take two gigabytes.
    """
    rows = max(1, MOST_LOGITS // (q.shape[1] * q.shape[2] * k.shape[2]))
    settings = {"use_reentrant": False, "preserve_rng_state": False}  # nothing is drawn
    if len(q) <= rows:
        return checkpoint(capped_attention, q, k, v, cap, mask, **settings)
    of_each_row = mask is not None and mask.ndim == 4 and len(mask) > 1
    masks = mask.split(rows) if of_each_row else [mask] * -(-len(q) // rows)
    parts = zip(q.split(rows), k.split(rows), v.split(rows), masks, strict=True)
    return torch.cat([checkpoint(capped_attention, *qkv, cap, m, **settings) for *qkv, m in parts])


def _attend_capped(q: Tensor, k: Tensor, v: Tensor, cap: float, mask: Tensor | None) -> Tensor:
    """Choose by capability: a GPU has a fused kernel, or little memory and much speed; a CPU has the reverse."""
    if not has_flex_kernel(q, mask):
        attend = capped_attention if q.device.type == "cpu" else lean_capped_attention
        return attend(q, k, v, cap, mask)
    if torch.compiler.is_compiling():
        return flex_capped_attention(q, k, v, cap)
    return _compiled_capped()(q, k, v, cap)


@cache
def _compiled_capped() -> Callable[[Tensor, Tensor, Tensor, float], Tensor]:
    """Return a model's capped attention, compiled by itself where the model is not."""
    return torch.compile(_flex_or_lean)


def _flex_or_lean(q: Tensor, k: Tensor, v: Tensor, cap: float) -> Tensor:
    # Run as it is, where compiling is forbidden or was given up, the kernel would have all logits in memory.
    attend = flex_capped_attention if torch.compiler.is_compiling() else lean_capped_attention
    return attend(q, k, v, cap)


class SelfAttention(nn.Module):
    """Multi-head self-attention, scaled by head_dim ** -0.5; cap > 0 bounds the logits (see `capped_attention`).

    Without a cap there is no key bias: it would add the same to all logits of a query, and softmax drops that.
    """

    def __init__(self, width: int, heads: int, cap: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} is not a multiple of heads={heads}")
        self.heads, self.cap = heads, cap
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width))
        self.k_bias = nn.Parameter(torch.zeros(width)) if cap > 0 else None
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mix tokens x [B, L, D]; mask: bool, True where a query sees a key; same shape."""
        q, k, v = self._heads_of(x)
        out = _attend_capped(q, k, v, self.cap, mask) if self.cap > 0 else attention(q, k, v, mask)
        return self.proj(out.transpose(1, 2).flatten(2))

    def looks_at(self, x: Tensor) -> Tensor:
        """Return how much of each token x [B, L, D] all of them read, a mean over heads and readers, [B, L]."""
        q, k, _ = self._heads_of(x)
        logits = q @ k.transpose(2, 3) * q.shape[-1] ** -0.5
        if self.cap > 0:
            logits = self.cap * torch.tanh(logits / self.cap)
        return torch.softmax(logits, dim=-1).mean((1, 2))

    def _heads_of(self, x: Tensor) -> list[Tensor]:
        k_bias = torch.zeros_like(self.q_bias) if self.k_bias is None else self.k_bias
        qkv = F.linear(x, self.qkv.weight, torch.cat([self.q_bias, k_bias, self.v_bias]))
        return split_heads(qkv, self.heads, 3)


class Mlp(nn.Module):
    """Two linear maps, `hidden` channels (4 * width if not said) and an activation between them."""

    def __init__(self, width: int, hidden: int = 0, activation: Callable[[Tensor], Tensor] = F.gelu) -> None:
        super().__init__()
        hidden = hidden or 4 * width
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.activation = activation

    def forward(self, x: Tensor, mean: bool = False) -> Tensor:
        """Map x [..., D] to the same shape, or [B, L, D] to its mean over tokens, [B, D]."""
        x = self.activation(self.fc1(x))
        return self.fc2(x.mean(dim=1) if mean else x)  # a linear map of the mean is the mean of the linear maps


class TransformerBlock(nn.Module):
    """x + attention(norm1(x)), then x + mlp(norm2(x)): a ViT's block (2010.11929, eq. 2 and 3)."""

    def __init__(self, attention: SelfAttention, mlp: Mlp) -> None:
        super().__init__()
        width = mlp.fc1.in_features
        self.norm1 = LayerNorm(width)
        self.attn = attention
        self.norm2 = LayerNorm(width)
        self.mlp = mlp

    def forward(
        self, x: Tensor, mask: Tensor | None = None, mean: bool = False, scales: Tensor | None = None
    ) -> Tensor:
        """Map tokens x [B, L, D] to the same shape, or to their mean [B, D]; mask as in `SelfAttention`.

        scales [B, 2]: what multiplies the two branches of each clip (`drop_path.branch_scales`).
        """
        of_attention, of_mlp = (None, None) if scales is None else scales.unbind(1)
        x = x + scaled(self.attn(self.norm1(x), mask), of_attention)
        return (x.mean(dim=1) if mean else x) + scaled(self.mlp(self.norm2(x), mean), of_mlp)


def vit_blocks(depth: int, width: int, heads: int, hidden: int = 0) -> nn.ModuleList:
    """Return `depth` blocks with uncapped attention and GELU."""
    return nn.ModuleList(TransformerBlock(SelfAttention(width, heads), Mlp(width, hidden)) for _ in range(depth))
