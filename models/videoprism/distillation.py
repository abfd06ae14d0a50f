"""VideoPrism's second stage (2402.13217, section 3.3): a student predicts its teacher from a third of a clip.

Left branch of figure 4: mask tokens join the visible ones, all are shuffled, and a decoder predicts the teacher's token
of every place and time, of visible ones too. Right branch: another decoder predicts the teacher's embedding of the
whole clip from the visible tokens alone. Where the paper leaves a choice: the same places are hidden in all frames
(`tube_mask`, .65 of them), positions are sines and cosines, the MLP into a decoder has one hidden layer of the
decoder's width, and a LayerNorm stands before its last map.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.patches import pick_tokens, sine_cosine
from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import LayerNorm, vit_blocks
from egocurate.models.videoprism.config import DecoderConfig
from egocurate.models.videoprism.encoder import FactorizedEncoder, lecun_init
from egocurate.models.videoprism.model import PrismVideoTower


class NarrowDecoder(nn.Module):
    """MLP to a narrow width, a few blocks, a linear map back."""

    def __init__(self, width: int, config: DecoderConfig) -> None:
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

    def __init__(self, encoder: FactorizedEncoder, config: DecoderConfig) -> None:
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

        frames: [B, T, 3, S, S] in [0, 1], as many as the config says; order: a `random_order`, [B, n = T * N].
        """
        encoded = self.encoder(frames, visible)
        missing = self.mask_token.expand(len(encoded), order.shape[1] - encoded.shape[1], -1)
        # Positions are added after the shuffle: they say where a token goes, not where it comes from.
        shuffled = pick_tokens(torch.cat([encoded, missing.to(encoded.dtype)], dim=1), order) + self.pos
        return self.token_decoder(shuffled), self.pool(self.clip_decoder(encoded))


def random_order(noise: Tensor) -> Tensor:
    """Return a permutation of n tokens for each clip, int64 [B, n], by uniform random numbers [B, n]."""
    return noise.argsort(dim=1, stable=True)


def frozen_teacher(tower: PrismVideoTower) -> PrismVideoTower:
    """Return a copy of the first stage's video tower that no longer learns; it is to see whole clips."""
    return copy.deepcopy(tower).eval().requires_grad_(False)


def cosine_distance(x: Tensor, target: Tensor) -> Tensor:
    """Mean cosine distance of tokens [B, n, D] or embeddings [B, D] to the teacher's, in float32 at least.

    The loss is the sum of both, with equal weights as published (section 3.3).
    """
    kind = torch.promote_types(x.dtype, torch.float32)
    return 1 - F.cosine_similarity(x.to(kind), target.to(kind), dim=-1).mean()
