"""Text tower: DistilBERT (1910.01108) from transformers, of any size, new or pretrained; a text is its first token."""

from __future__ import annotations

from torch import Tensor, nn
from transformers import DistilBertConfig, DistilBertModel

from egocurate.models.layers.configs import SIZES_ALONE, TextConfig


class TextTower(nn.Module):
    """DistilBERT whose first token of the last layer stands for the text."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.model = _pretrained(config.pretrained) if config.pretrained else DistilBertModel(_distilbert(config))

    @property
    def width(self) -> int:
        """Channels of a text."""
        return self.model.config.dim

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Map token ids [B, L] with their mask [B, L] (1 = token, 0 = padding) to [B, D]."""
        return self.states(ids, mask)[:, 0]

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last layer's tokens [B, L, D] of the same."""
        # With four axes it is taken as it is; of two, transformers waits for the device to tell whether all are 1.
        seen = mask[:, None, None].bool()
        return self.model(input_ids=ids, attention_mask=seen).last_hidden_state


def _distilbert(config: TextConfig) -> DistilBertConfig:
    return DistilBertConfig(
        vocab_size=config.vocab,
        dim=config.width,
        hidden_dim=4 * config.width,
        n_layers=config.depth,
        n_heads=config.heads,
        max_position_embeddings=config.max_tokens,
        dropout=config.dropout,
        attention_dropout=config.dropout,
    )


def _pretrained(source: str) -> DistilBertModel:
    try:
        if source.endswith(SIZES_ALONE):
            return DistilBertModel(DistilBertConfig.from_json_file(source))
        return DistilBertModel.from_pretrained(source)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"text weights {source!r}: not a folder with a DistilBERT model, and the hub does not give it"
        ) from error
