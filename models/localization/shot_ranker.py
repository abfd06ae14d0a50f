"""Which shots of a video belong into a summary that answers a query: a transformer over the shots of each segment."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from egocurate.models.localization.config import ShotRankerConfig
from egocurate.models.localization.self_attention import SelfAttention
from egocurate.models.localization.vslnet import places


class ShotRanker(nn.Module):
    """Shots and a query together, attention among the shots of a segment, and a logit of each shot.

    A query is the concepts that it names, learned from nothing, and, where there is one, a sentence that another model
    has embedded. Shots and sentences of one width are taken to be of one space: then the logit begins as their cosine.
    """

    def __init__(self, config: ShotRankerConfig, *, shot_width: int, concepts: int, sentence_width: int = 0) -> None:
        """Build it for so many concepts, id 0 of none; sentence_width 0: queries are their concepts alone."""
        super().__init__()
        width = config.width
        self.shot_in, self.both = nn.Linear(shot_width, width), nn.Linear(width, width)
        self.concepts = nn.Embedding(concepts, width, padding_idx=0)
        self.sentence = nn.Linear(sentence_width, width) if sentence_width else None
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.constant_(self.head.bias, config.first_logit)
        self.compares = shot_width == sentence_width
        if self.compares:
            self.cosine = nn.Parameter(torch.tensor(config.cosine_scale))

    def forward(self, shots: Tensor, seen: Tensor, concepts: Tensor, sentence: Tensor) -> Tensor:
        """Return logits [Q, S, L] of shots [S, L, D] in S segments, mask seen [S, L], for each of the queries.

        concepts: int64 [Q, K], 0 beyond those that a query names; sentence: float32 [Q, T].
        """
        query = self.concepts(concepts).sum(1)
        if self.sentence is not None:
            query = query + self.sentence(sentence)
        x, query = self.shot_in(shots)[None], query[:, None, None]
        x = (x + query + self.both(x * query)).flatten(0, 1)
        x = x + places(x.shape[1], x.shape[2], x.device)
        mask = seen.repeat(len(concepts), 1)[:, None, None]
        for block in self.blocks:
            x = block(x, mask)
        logits = self.head(self.norm(x))[..., 0].unflatten(0, (len(concepts), -1))
        if self.compares:
            cosine = torch.einsum("sld,qd->qsl", F.normalize(shots, dim=-1), F.normalize(sentence, dim=-1))
            # Of a video's cosines only the differences tell: what is much nearer to the text than the rest?
            mean = (cosine * seen).sum((1, 2), keepdim=True) / seen.sum()
            logits = logits + self.cosine * (cosine - mean)
        return logits


class _Block(nn.Module):
    """Attention and a feed-forward layer, each behind a norm and added."""

    def __init__(self, config: ShotRankerConfig) -> None:
        super().__init__()
        width = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = SelfAttention(width, config.heads)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norms[0](x), mask))
        return x + self.dropout(self.feed(self.norms[1](x)))
