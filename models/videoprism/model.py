"""VideoPrism's first stage (2402.13217, section 3.2): a video tower and a text tower learn one space by contrast.

The loss is `models.losses.info_nce.info_nce` on the two embeddings, half of every clip's places dropped
(`tube_mask`). The second stage is in `models.videoprism.distillation`; after it, `freeze_encoder` leaves the heads to
be tuned against text.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.models.layers.pooling import AttentionPool
from egocurate.models.layers.transformer import LayerNorm, Mlp, SelfAttention, TransformerBlock
from egocurate.models.videoprism.config import EncoderConfig, PrismTextConfig, VideoPrismConfig
from egocurate.models.videoprism.encoder import FactorizedEncoder, capped_blocks, lecun_init


class PrismVideoTower(nn.Module):
    """The encoder, layers over all tokens of all frames, attention pooling, LayerNorm."""

    def __init__(self, config: EncoderConfig, auxiliary_depth: int = 2) -> None:
        super().__init__()
        self.encoder = FactorizedEncoder(config)
        self.auxiliary = capped_blocks(auxiliary_depth, config)
        self.pool = AttentionPool(config.width, config.heads, 4 * config.width)
        self.norm = LayerNorm(config.width)
        lecun_init(self.auxiliary)
        lecun_init(self.pool)
        nn.init.trunc_normal_(self.pool.query, std=config.width**-0.5)

    def forward(self, frames: Tensor, places: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the encoder's tokens [B, T * N, D] and the clip's embedding [B, D] of unit length.

        frames, places: as in `FactorizedEncoder`.
        """
        tokens = x = self.encoder(frames, places)
        for block in self.auxiliary:
            x = block(x)
        return tokens, F.normalize(self.norm(self.pool(x)), dim=-1)


class PrismTextTower(nn.Module):
    """A causal transformer with ReLU; a class token after the text's last position reads it all."""

    def __init__(self, config: PrismTextConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.width)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.register_buffer("pos", sine_then_cosine(config.max_tokens, config.width), persistent=False)
        self.blocks = nn.ModuleList(
            TransformerBlock(
                SelfAttention(config.width, config.heads, config.cap), Mlp(config.width, config.hidden, F.relu)
            )
            for _ in range(config.depth)
        )
        self.norm = LayerNorm(config.width)
        lecun_init(self)
        nn.init.normal_(self.embed.weight, std=config.width**-0.5)
        nn.init.normal_(self.cls_token, std=config.width**-0.5)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids [B, L] with their mask [B, L] (1 = token, 0 = padding) to [B, D] of unit length.

        Raises ValueError for more than max_tokens.
        """
        return F.normalize(self.norm(self._blocks(ids, mask)[:, -1]), dim=-1)

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last layer's tokens [B, L, D] of the same, without the class token; raises as it does."""
        return self.norm(self._blocks(ids, mask)[:, :-1])

    def _blocks(self, ids: Tensor, mask: Tensor) -> Tensor:
        batch, length = ids.shape
        if length > self.config.max_tokens:
            raise ValueError(f"{length} tokens, but max_tokens={self.config.max_tokens}: cut the texts")
        root = math.sqrt(self.config.width)
        cls = (self.cls_token * root).expand(batch, -1, -1)
        x = torch.cat([self.embed(ids) * root + self.pos[:, :length], cls], dim=1)
        past = torch.ones(length + 1, length + 1, dtype=torch.bool, device=ids.device).tril()
        seen = past & F.pad(mask.bool(), (0, 1), value=True)[:, None, None]
        for block in self.blocks:
            x = block(x, seen)
        return x


class VideoPrism(nn.Module):
    """Dual encoder of the first stage; similarity is the cosine of two embeddings."""

    def __init__(self, config: VideoPrismConfig) -> None:
        super().__init__()
        if config.encoder.width != config.text.width:
            raise ValueError(f"width={config.encoder.width} of the videos, {config.text.width} of the texts: not one")
        self.config = config
        self.video = PrismVideoTower(config.encoder, config.auxiliary_depth)
        self.text = PrismTextTower(config.text)

    def freeze_encoder(self) -> None:
        """Leave all but the encoder to be tuned: locked-image tuning (LiT, 2111.07991), as after the second stage."""
        self.video.encoder.requires_grad_(False)

    def encode_video(self, frames: Tensor, places: Tensor | None = None) -> Tensor:
        """Embed frames [B, T, 3, S, S] in [0, 1], or their patches at places [B, K], as [B, D] of unit length."""
        return self.video(frames, places)[1]

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Embed token ids [B, L] with their mask [B, L] as [B, D] of unit length."""
        return self.text(ids, mask)

    def encode_tokens(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the text tower's last hidden states [B, L, D] of token ids [B, L] with their mask [B, L]."""
        return self.text.states(ids, mask)

    def forward(self, ids: Tensor, mask: Tensor, frames: Tensor, places: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Embed texts and clips in one call, as data-parallel wrappers need it: ([B, D], [B, D])."""
        return self.encode_text(ids, mask), self.encode_video(frames, places)


def sine_then_cosine(count: int, width: int) -> Tensor:
    """Return positions [1, count, width]: sines, then cosines, of position / 10000^(j / (width/2 - 1)).

    The divisor is the release's. transformers has width/2 in its place, so its texts differ from the release's.
    """
    rate = 10000.0 ** (-torch.arange(width // 2, dtype=torch.float64) / (width // 2 - 1))
    angle = torch.arange(count, dtype=torch.float64)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1)[None].float()
