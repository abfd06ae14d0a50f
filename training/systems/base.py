"""What the training loop asks of everything that it can train."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.device import normalize
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.layers.configs import VideoConfig
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.initial_weights import load_start
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import Tokens
from egocurate.training.tasks.evaluator import Evaluator

TwoTowers = TypeVar("TwoTowers", EgoVLPConfig, EgoVLPv2Config)


class System(ABC):
    """A model, the way from a batch to its losses, and where it has both towers, to embeddings."""

    model: nn.Module
    """what is learned and saved"""
    tokens: Tokens | None = None
    """how texts become what the model reads; None for a model without texts"""
    published_tokenizer: str = ""
    """the tokenizer that the published weights have learned from, as `--set tokenizer=` may name it"""
    label_names: dict[str, list[str]] | None = None
    """the classes that it tells apart, by kind of label, in the order of their numbers; None for a system without"""
    embedding: int = 0
    """channels of the space that texts and clips share; 0 without one"""
    new_parameters: tuple[str, ...] = ()
    """how the names of parameters begin that start from nothing and may step faster (`OptimizerConfig.new_lr`)"""
    can_fuse: bool = False
    """whether it can look at a text and a clip together and tell if they match (`match_probability`)"""
    rows_together: int = 1
    """how many rows of a batch belong together: a micro-batch has a multiple of them"""
    splits_by: Literal["rows", "embeddings", "tokens", "whole"] = "whole"
    """how a batch may go through the model in micro-batches (`TrainConfig.micro_batches`) and give the same gradient

    rows: the losses are means over rows; embeddings: the losses are `compare` of what `embed` gives for each row;
    tokens: `backward_parts` caches what lies between a model's lower and upper layers; whole: a batch cannot be split
    """

    def load_initial_weights(self, config: TrainConfig) -> list[str]:
        """Load what a new run starts from; returns lines to say of it. Raises InputError for what does not fit."""
        if not config.start:
            return []
        report = load_start(self.model, config.start)
        if any(name.startswith("text.") for name in report.loaded):
            self.refuse_made_tokens(config.start)
        return [f"starts from {config.start}: {report}"]

    def refuse_made_tokens(self, source: str) -> None:
        """Raise InputError if a text tower of learned weights is to read a tokenizer that was made here."""
        if self.tokens and self.tokens.made:
            raise InputError(
                f"{source} has learned texts by a tokenizer that is not given, and one made from the narrations would "
                f"mean other words: --set tokenizer={self.published_tokenizer}, or the one of these weights"
            )

    def layers_above(self, name: str) -> int:
        """Return how many layers are above a parameter, by its name, where lower ones may step at lower rates."""
        return 0

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Return scalars: "loss", which is learned from, and the parts to show beside it.

        network: the model as it is run, maybe compiled and data-parallel. The mean of each over ranks is that of the
        whole batch (models/all_gather.py). Every rank calls this, inside `ranks.autocast`.
        """

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> Evaluator | None:
        """Return the test of the task that the model is tuned for; None for pre-training, which answers EgoMCQ.

        Without its data in the config it gives no figures. Raises InputError for data that are not the task's.
        """
        return None

    def clip_bytes(self, frames: int) -> int:
        """Return about how many bytes of memory a clip of so many frames takes where nothing is learned from it."""
        raise NotImplementedError(f"{type(self).__name__} does not tell what a clip takes")

    def baselines(self, batches: Iterator[Batch]) -> dict[str, float]:
        """Return losses, by name, of guesses that look at no clip, from some batches; every rank calls this."""
        return {}

    def embed(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, ...]:
        """Return what the losses need of the model: tensors [M, ...], each row of its own text and clip alone.

        They are of floats; some may be numbers that no parameter gives.
        """
        raise NotImplementedError(f"{type(self).__name__} has no embeddings to cache")

    def compare(self, embeddings: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Return the losses of embeddings of the batch's rows."""
        raise NotImplementedError(f"{type(self).__name__} has no embeddings to compare")

    def backward_parts(self, batch: Batch, step_rng: StepRng, parts: Sequence[tuple[slice, int]]) -> dict[str, Tensor]:
        """Add the gradient of the batch to the model's parameters, not averaged over ranks; returns all losses.

        parts: the rows of each, and the seed of its dropout.
        """
        raise NotImplementedError(f"{type(self).__name__} has no tokens to cache")

    def pixels(self, frames: Tensor) -> Tensor:
        """Return uint8 frames [B, T, 3, S, S] as what the model was made for."""
        return normalize(frames)

    def embed_clips(self, frames: Tensor) -> Tensor:
        """Embed uint8 frames [B, T, 3, S, S] as [B, embedding]."""
        return self.model.encode_video(self.pixels(frames))

    def features(self, frames: Tensor) -> Tensor:
        """Return features [B, D] of clips uint8 [B, T, 3, S, S] for other models to read: their embedding."""
        return self.embed_clips(frames)

    def embed_texts(self, texts: list[str]) -> Tensor:
        """Embed texts as [B, embedding]."""
        return self.model.encode_text(*self.tokens(texts))

    def embed_tokens(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Return the text tower's last hidden states [B, L, W] of texts, and the mask [B, L] of their tokens."""
        ids, mask = self.tokens(texts)
        return self.model.encode_tokens(ids, mask), mask

    def logits(self, frames: Tensor) -> dict[str, Tensor]:
        """Map uint8 frames [B, T, 3, S, S] to logits [B, classes] of each kind in `label_names`, if there are some."""
        raise NotImplementedError(f"{type(self).__name__} has no classes")

    def match_probability(self, frames: Tensor, texts: list[str], options: Tensor, at_once: int) -> Tensor:
        """Return the probability [Q, 5] that each of Q texts belongs to its five options, if the system `can_fuse`.

        frames: uint8 [K, T, 3, S, S] of distinct clips; options: int64 [Q, 5], rows of them; at_once: how many clips
        go through a layer together.
        """
        raise NotImplementedError


def frames_bytes(frames: int, image: int) -> int:
    """Return the bytes of a clip's pixels, as they come and as the float32 that a model reads."""
    return frames * 3 * image**2 * (1 + 4)


def tower_bytes(video: VideoConfig, frames: int) -> int:
    """Return `System.clip_bytes` of a divided or joint video tower; its attention has a fused kernel."""
    return frames_bytes(frames, video.image) + layer_bytes(1 + frames * (video.image // video.patch) ** 2, video.width)


def layer_bytes(tokens: int, width: int, scores: int = 0) -> int:
    """Return about how many bytes a clip takes in a transformer's layer, forward, without a gradient; an upper bound.

    Sixteen float32 a channel of a token: its residual and its norm, query, key, value and what was read, and four times
    the width twice in the MLP. Attention without a fused kernel has three float32 matrices of `scores` beside: logits,
    what caps them, and weights.
    """
    return 4 * (16 * tokens * width + 3 * scores)


def check_clips(config: TrainConfig, image: int, frames: int, *, exactly: bool = False) -> None:
    """Raise InputError if the data shows other pictures than the model takes, or more frames, or exactly: others."""
    if config.data.size != image:
        raise InputError(f"data.size={config.data.size}, but the model's image is {image}: set both")
    if config.data.frames > frames or (exactly and config.data.frames != frames):
        raise InputError(f"data.frames={config.data.frames}, but the model takes {frames}: set both")


def with_frames(model: TwoTowers, frames: int) -> TwoTowers:
    """Return the sizes of a model whose video tower takes that many frames at least."""
    return replace(model, video=replace(model.video, max_frames=max(frames, model.video.max_frames)))
