"""VideoPrism's second stage (2402.13217, section 3.3): a student that sees a third of a clip restores the teacher.

Left branch of figure 4: mask tokens join the visible ones, all are shuffled, and a decoder says of every place and
time what the teacher's token is, of visible ones too. Right branch: from the visible tokens alone, what the teacher's
embedding of the whole clip is. Choices where the paper is open: the same places are hidden in all frames (`tube_mask`,
.65 of them), positions are sines and cosines, the MLP into a decoder has one hidden layer of the decoder's width, and
a LayerNorm stands before its last map.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.factorised import FactorisedEncoder, lecun_init
from models.patches import sine_cosine, take
from models.pooling import AttentionPool
from models.transformer import LayerNorm, vit_blocks
from models.videoprism import PrismVideoTower


@dataclass(frozen=True)
class StudentConfig:
    """Sizes of each of the two decoders."""

    width: int = 512
    depth: int = 4
    heads: int = 8
    hidden: int = 2048


class NarrowDecoder(nn.Module):
    """MLP to a narrow width, a few blocks, a linear map back."""

    def __init__(self, width: int, config: StudentConfig) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Linear(width, config.width), nn.GELU(), nn.Linear(config.width, config.width))
        self.blocks = vit_blocks(config.depth, config.width, config.heads, config.hidden)
        self.norm = LayerNorm(config.width)
        self.widen = nn.Linear(config.width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens x [B, L, D] to the same shape."""
        x = self.narrow(x)
        for block in self.blocks:
            x = block(x)
        return self.widen(self.norm(x))


class Student(nn.Module):
    """The encoder to be trained and the two decoders that only training needs."""

    def __init__(self, encoder: FactorisedEncoder, config: StudentConfig) -> None:
        super().__init__()
        width, tokens = encoder.config.width, encoder.config.frames * encoder.config.places
        self.encoder = encoder
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.register_buffer("pos", sine_cosine(tokens, width), persistent=False)
        self.token_decoder = NarrowDecoder(width, config)
        self.clip_decoder = NarrowDecoder(width, config)
        self.pool = AttentionPool(width, encoder.config.heads, 4 * width)
        for part in (self.token_decoder, self.clip_decoder, self.pool):
            lecun_init(part)
        nn.init.trunc_normal_(self.mask_token, std=0.02)
        nn.init.trunc_normal_(self.pool.query, std=width**-0.5)

    def forward(self, frames: Tensor, visible: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
        """Return tokens [B, n, D], by time, row, column, and an embedding [B, D], from the places visible [B, K].

        frames: [B, T, 3, S, S] in [0, 1], as many as the encoder's config says; order: a `shuffle`, [B, n = T * N].
        """
        seen = self.encoder(frames, visible)
        missing = self.mask_token.expand(len(seen), order.shape[1] - seen.shape[1], -1)
        # Positions are added after the shuffle: they say where a token goes, not where it comes from.
        shuffled = take(torch.cat([seen, missing.to(seen.dtype)], dim=1), order) + self.pos
        return self.token_decoder(shuffled), self.pool(self.clip_decoder(seen))


def shuffle(batch: int, count: int, generator: torch.Generator) -> Tensor:
    """Draw a permutation of `count` tokens for each clip, int64 [batch, count]."""
    return torch.rand(batch, count, generator=generator, device=generator.device).argsort(dim=1)


def frozen_teacher(tower: PrismVideoTower) -> PrismVideoTower:
    """Return a copy of the first stage's video tower that no longer learns; it is to see whole clips."""
    return copy.deepcopy(tower).eval().requires_grad_(False)


def distillation_loss(tokens: Tensor, embedding: Tensor, teacher: tuple[Tensor, Tensor]) -> Tensor:
    """Mean cosine distance of tokens [B, n, D] to the teacher's, plus that of embeddings [B, D], in float32 at least.

    Equal weights, as published (section 3.3); teacher: both, as `frozen_teacher` gives them for the whole clips.
    """
    return _distance(tokens, teacher[0]) + _distance(embedding, teacher[1])


def _distance(x: Tensor, target: Tensor) -> Tensor:
    kind = torch.promote_types(x.dtype, torch.float32)
    return 1 - F.cosine_similarity(x.to(kind), target.to(kind), dim=-1).mean()
