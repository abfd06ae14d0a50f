"""Gated cross-attention, which joins the towers of EgoVLPv2 (2307.05463, section 3.1), and heads on fused tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.attention import attention


class GatedCrossAttention(nn.Module):
    """What tokens of one modality read from the other's, times a learned scalar (eq. 1 and 2)."""

    def __init__(
        self, width: int, other: int, heads: int, *, norm_eps: float = 0.0, dropout: float = 0.0, gate: float = 0.0
    ) -> None:
        """Take the widths of the two, and what the scalar starts from.

        norm_eps > 0 puts a LayerNorm before the query, as the video tower has.
        """
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width, eps=norm_eps) if norm_eps else nn.Identity()
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(other, 2 * width)
        self.proj = nn.Linear(width, width)
        self.gate = nn.Parameter(torch.full((1,), gate))

    def forward(self, x: Tensor, other: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map tokens x [B, N, D] and the other's tokens [B, M, E], of which mask [B, M] are real, to [B, N, D]."""
        q = self.q(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.kv(other).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        allowed = None if mask is None else mask[:, None, None].bool()
        dropout = self.dropout if self.training else 0.0
        read = attention(q, k, v, allowed, dropout)
        return self.gate * F.dropout(self.proj(read.transpose(1, 2).flatten(2)), dropout)


class MlmHead(nn.Module):
    """Fused text tokens to logits over the vocabulary; its matrix is not that of the embeddings."""

    def __init__(self, width: int, vocab: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.decoder = nn.Linear(width, vocab)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [K, D] to logits [K, vocab]."""
        return self.decoder(self.norm(F.gelu(self.dense(tokens))))


class VtmHead(nn.Module):
    """First tokens of a fused text and clip to the logits of "apart" and "belong together"."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.text_pooler = nn.Linear(width, width)
        self.video_pooler = nn.Linear(width, width)
        self.fc = nn.Linear(2 * width, 2)

    def forward(self, text: Tensor, video: Tensor) -> Tensor:
        """Map text [B, D] and video [B, D] to logits [B, 2]."""
        return self.fc(torch.cat([self.text_pooler(text).tanh(), self.video_pooler(video).tanh()], dim=1))
