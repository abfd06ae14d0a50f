"""Attention pooling: one learned query reads all tokens (the MAP head of VideoPrism)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ONE_AT_ZERO = 1.442695041  # 1 / softplus(0): a scale that starts at 0 multiplies by 1


class AttentionPool(nn.Module):
    """Multi-head attention of one learned query over tokens, `inner` channels wide, each query channel scaled.

    As there is one query, neither keys nor values are computed per token: (Wk x) . q = x . (Wk' q), and the mean of
    Wv x is Wv of the mean. That is 2 * heads * D multiply-adds a token instead of 2 * inner * D, and the same result.
    The published key bias adds the same to all logits of a head; softmax drops it, so there is none.
    """

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        if inner % heads:
            raise ValueError(f"inner={inner} is not a multiple of heads={heads}")
        self.heads = heads
        self.query = nn.Parameter(torch.zeros(1, 1, width))
        self.scale = nn.Parameter(torch.zeros(inner // heads))
        self.q = nn.Linear(width, inner)
        self.k = nn.Linear(width, inner, bias=False)
        self.v = nn.Linear(width, inner)
        self.proj = nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x [B, L, D] to [B, D]."""
        dim = self.scale.shape[0]
        mean = self._weights(x).to(x.dtype).transpose(1, 2) @ x  # [B, H, D]
        value = mean.transpose(0, 1) @ self.v.weight.view(self.heads, dim, -1).transpose(1, 2)  # [H, B, dim]
        return self.proj(value.transpose(0, 1).flatten(1) + self.v.bias)

    def looks_at(self, x: Tensor) -> Tensor:
        """Return how much of each token x [B, L, D] the query reads, the mean of the heads, [B, L]."""
        return self._weights(x).mean(2)

    def _weights(self, x: Tensor) -> Tensor:
        """Return the weights of tokens x [B, L, D] by head, [B, L, H]."""
        dim = self.scale.shape[0]
        q = self.q(self.query[0, 0]).view(self.heads, dim) * (F.softplus(self.scale) * (_ONE_AT_ZERO * dim**-0.5))
        reader = (q[:, None] @ self.k.weight.view(self.heads, dim, -1))[:, 0]  # [H, D]: what each head looks for
        return torch.softmax(x @ reader.T, dim=1)
