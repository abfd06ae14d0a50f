"""Attention of places to places, with a mask of those that there are, or that are near."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention(nn.Module):
    """Attention with several heads; nothing of it is dropped, so that the fused kernels take it, also on a CPU."""

    def __init__(self, width: int, heads: int) -> None:
        """Build it; heads divides width."""
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return what each place of x [B, P, D] gathers from those that mask, bool [B, 1, 1 or P, P], lets it see."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2))
