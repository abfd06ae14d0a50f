"""Text tower: RoBERTa (1907.11692) from transformers, of any size, run layer by layer so that other layers may join."""

from __future__ import annotations

import math

from torch import Tensor, nn
from transformers import RobertaConfig, RobertaModel

from egocurate.models.layers.attention import attention as attend
from egocurate.models.layers.configs import SIZES_ALONE, RobertaTextConfig
from egocurate.models.layers.divided_attention import Fuse


class RobertaTower(nn.Module):
    """RoBERTa without a pooler; padding is what the mask says, whatever its token id."""

    def __init__(self, config: RobertaTextConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _pretrained(config.pretrained) if config.pretrained else _new(config)
        self.heads = self.model.config.num_attention_heads

    @property
    def width(self) -> int:
        """Channels of a token."""
        return self.model.config.hidden_size

    @property
    def depth(self) -> int:
        """Number of layers."""
        return self.model.config.num_hidden_layers

    def embed(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids [B, L] with their mask [B, L] (1 = token, 0 = padding) to the tokens of layer 0, [B, L, D]."""
        padding = self.model.config.pad_token_id  # positions count from here, as fairseq's do
        positions = mask.long().cumsum(1) * mask.long() + padding
        return self.model.embeddings(input_ids=ids, position_ids=positions)

    def layer(self, index: int, x: Tensor, mask: Tensor, fuse: Fuse | None = None) -> Tensor:
        """Run a layer on tokens x [B, L, D]; `fuse` adds to what self-attention gives, before the residual."""
        layer = self.model.encoder.layer[index]
        attention, output = layer.attention.self, layer.attention.output
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (attention.query, attention.key, attention.value)
        )
        dropout = attention.dropout.p if self.training else 0.0
        seen = attend(q, k, v, mask[:, None, None].bool(), dropout)
        seen = output.dropout(output.dense(seen.transpose(1, 2).flatten(2)))
        if fuse is not None:
            seen = seen + fuse(seen)
        x = output.LayerNorm(seen + x)
        return layer.output(layer.intermediate(x), x)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids [B, L] with their mask [B, L] to the last layer's tokens [B, L, D]."""
        x = self.embed(ids, mask)
        for index in range(self.depth):
            x = self.layer(index, x, mask)
        return x


def initial_std(width: int) -> float:
    """Return the deviation of first weights: the published .02 at 768 channels, with the root of the width else.

    At 64 channels .02 would leave a layer's sum a sixth of what it is at 768, and attention without a preference.
    """
    return 0.02 * math.sqrt(768 / width)


def _new(config: RobertaTextConfig) -> RobertaModel:
    sizes = RobertaConfig(
        vocab_size=config.vocab,
        hidden_size=config.width,
        intermediate_size=4 * config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        max_position_embeddings=config.max_tokens + 2,  # the first two stand for padding
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=config.dropout,
        initializer_range=initial_std(config.width),
    )
    return RobertaModel(sizes, add_pooling_layer=False)


def _pretrained(source: str) -> RobertaModel:
    try:
        if source.endswith(SIZES_ALONE):
            return RobertaModel(RobertaConfig.from_json_file(source), add_pooling_layer=False)
        return RobertaModel.from_pretrained(source, add_pooling_layer=False)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"text weights {source!r}: not a folder with a RoBERTa model, and the hub does not give it"
        ) from error
