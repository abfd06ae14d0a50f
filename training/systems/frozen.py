"""An encoder that others have trained, as it is: features, embeddings of clips, of texts too where it has learned them.

It is used, not trained, so it stands beside `SYSTEMS`; as a teacher VideoPrism's second stage learns from it.
"""

from __future__ import annotations

from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.models.frozen.build import build_encoder
from egocurate.models.frozen.encoder import Encoder, Sizes
from egocurate.models.frozen.released_classifier import ReleasedClassifier
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System, frames_bytes, layer_bytes
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import tokens_for


class FrozenSystem(System):
    """An encoder of transformers (`models.frozen.kinds.KINDS`), or of a release."""

    model: Encoder

    def __init__(self, config: TrainConfig, ranks: Ranks) -> None:
        """Read the encoder; raises InputError for one that is not whole, and for clips that it does not take."""
        self.model = build_encoder(config.model, config.data.size, config.data.frames).to(ranks.device)
        self.sizes, self.size, self.source = self.model.sizes, config.data.size, config.model.source
        self.sizes.check(config.data.size, config.data.frames)
        if self.sizes.text_tokens:
            self.tokens = tokens_for(config, None, ranks, self.sizes.text_pieces, self.sizes.text_tokens)
            self.embedding = self.sizes.embedding

    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Raise InputError: it does not learn."""
        raise InputError(f"{self.source}: a frozen encoder is used, not trained")

    def clip_bytes(self, frames: int) -> int:
        """Return the bytes of a clip in a layer: of all frames, seen together or one beside the other."""
        return frozen_bytes(self.sizes, frames, self.size)

    def pixels(self, frames: Tensor) -> Tensor:
        """Return uint8 frames [B, T, 3, S, S] as the encoder has learned to see them."""
        return self.model.normalize(frames)

    def embed_clips(self, frames: Tensor) -> Tensor:
        """Embed uint8 frames [B, T, 3, S, S] as [B, E]; of an encoder of images it is the mean over frames."""
        return self.model.embed(self.pixels(frames))

    def logits(self, frames: Tensor) -> dict[str, Tensor]:
        """Map uint8 frames [B, T, 3, S, S] to logits [B, classes] of what a classifier was tuned to, called "label".

        Raises InputError for an encoder without classes.
        """
        if not isinstance(self.model, ReleasedClassifier):
            raise InputError(f"{self.source}: it has no classes")
        return {"label": self.model.logits(self.pixels(frames))}

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Embed texts as [B, E]."""
        return self.model.encode_text(*self.tokens(texts, full=self.sizes.pads_texts))

    def embed_tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return the text tower's last hidden states [B, L, W] of texts, and the mask [B, L] of their tokens."""
        ids, mask = self.tokens(texts, full=self.sizes.pads_texts)
        return self.model.encode_tokens(ids, mask), mask


def frozen_bytes(sizes: Sizes, frames: int, size: int) -> int:
    """Return the bytes of a clip of so many frames of so many pixels a side in a layer of such an encoder."""
    tokens = -(-frames // sizes.tubelet) * (1 + sizes.grid(size) ** 2)
    return frames_bytes(frames, size) + layer_bytes(tokens, sizes.width)
