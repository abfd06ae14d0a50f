"""CLIP's text tower (2103.00020): a causal transformer whose embedding of a text stands at its last token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class ClipTextConfig:
    """Sizes of the tower; the defaults go with ViT-B/16."""

    vocab: int = 49408
    width: int = 512
    depth: int = 12
    heads: int = 8
    max_tokens: int = 77


class ClipText(nn.Module):
    """A pre-norm transformer over the pieces of a text, each of which sees those before it."""

    def __init__(self, config: ClipTextConfig, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        width = config.width
        self.token_embedding = nn.Embedding(config.vocab, width)
        self.positional_embedding = nn.Parameter(torch.zeros(config.max_tokens, width))
        layer = nn.TransformerEncoderLayer(
            width, config.heads, 4 * width, dropout=0.0, activation=activation, batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, config.depth, enable_nested_tensor=False)
        self.ln_final = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        """Map token ids [B, L] to [B, D], the token of the highest id, where a text ends; what follows is not seen."""
        return self.states(ids)[torch.arange(len(ids), device=ids.device), ids.argmax(dim=1)]

    def states(self, ids: Tensor) -> Tensor:
        """Return the last layer's tokens [B, L, D], each of which has seen those before it."""
        length = ids.shape[1]
        later = torch.ones(length, length, dtype=torch.bool, device=ids.device).triu(1)
        x = self.token_embedding(ids) + self.positional_embedding[:length]
        return self.ln_final(self.transformer(x, mask=later))
