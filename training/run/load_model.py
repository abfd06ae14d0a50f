"""A trained run, or weights of a release, as a model to use: clips and texts become embeddings of one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders.videos.stretches import Stretch, length_sec, stretches_of_video
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, single_rank
from egocurate.training.run.model_source import Loaded, source_of
from egocurate.training.systems.base import System
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.eval_batch import MOST

CLIPS_AT_ONCE = 32


@dataclass(frozen=True)
class Model:
    """What a run or a release has learned; the cosine of a clip and a text is the product of their embeddings."""

    config: TrainConfig
    loaded: Loaded
    """its system, and where it is from"""
    ranks: Ranks

    @property
    def system(self) -> System:
        """What embeds."""
        return self.loaded.system

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Embed clips uint8 [B, T, 3, S, S] as float32 [B, D] of length 1, on the model's device.

        Of a model without texts it is their features (`curate features`), brought to that length.
        S is `config.data.size`, and T the `config.data.frames` that the model has learned from; the pixels are RGB.
        Raises ValueError for frames of another kind or size.
        """
        size = self.config.data.size
        if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[2:] != (3, size, size):
            raise ValueError(f"frames {frames.dtype} {tuple(frames.shape)}: give uint8 [B, T, 3, {size}, {size}]")
        return unit_rows(self._embedder.frames(frames))

    def embed_video(
        self,
        video: str | Path,
        stretches: Sequence[Stretch] | None = None,
        *,
        start_sec: float = 0.0,
        end_sec: float | None = None,
        profile: str = "train",
    ) -> Tensor:
        """Embed stretches of a video, (start, end) in seconds, as float32 [N, D] of length 1, on the model's device.

        Without stretches it is one: from start_sec to end_sec, or to the end of the video. The pixels, and so the
        embeddings, are those that the evaluations would have of clips cut into shards of that profile. Raises
        InputError for a file that is no video, or has no frame in a stretch.
        """
        path, data = Path(video), self.config.data
        if stretches is None:
            stretches = [(start_sec, length_sec(path) if end_sec is None else end_sec)]
        rows = None
        shown = stretches_of_video(path, stretches, frames=data.frames, size=data.size, profile=profile)
        while batch := list(islice(shown, CLIPS_AT_ONCE)):
            embedded = self.embed_frames(torch.stack([frames for _, frames in batch]))
            rows = embedded.new_zeros(len(stretches), embedded.shape[1]) if rows is None else rows
            rows[[place for place, _ in batch]] = embedded
        return torch.zeros(0, self.system.embedding, device=self.ranks.device) if rows is None else rows

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as float32 [M, D] of length 1, on the model's device; InputError for a model without texts."""
        self._check_texts(texts)
        return self._embedder.texts(texts)

    def embed_tokens(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the text tower's last hidden states of each text's tokens, float32 [L, W]; raises as `embed_text`."""
        self._check_texts(texts)
        return self._embedder.tokens(texts)

    def _check_texts(self, texts: Sequence[str]) -> None:
        if isinstance(texts, str):
            raise ValueError(f"texts {texts!r}: give a list of texts")
        if not self.system.embedding:
            raise InputError(f"{self.config.system} has no text tower: of it there are embeddings of clips alone")

    @property
    def _embedder(self) -> Embedder:
        return Embedder(self.system, self.ranks, workers=0, clips_at_once=MOST)


def load_model(
    run: str | Path,
    *,
    recipe: str = "",
    tokenizer: str | Path = "",
    device: Literal["auto", "cpu", "cuda"] = "auto",
) -> Model:
    """Load a trained model: the folder OUT of a training (its newest checkpoint), or weights that others published.

    run: also a folder that `egocurate.save` wrote, a release's file, a folder of one of transformers' encoders, or a
    hub name (`egocurate.releases()`). recipe: whose settings a release is used with, by default those of its system.
    tokenizer: a folder or hub name, by default the run's or the release's own, which comes from the hub. device: "auto"
    takes a GPU if there is one.

    Raises InputError for a folder that holds no run or no checkpoint, for weights of another architecture or not whole,
    for a tokenizer that cannot be had, and for a GPU that is not there.
    """
    source = source_of(run, recipe)
    if recipe and source.release is None:
        raise InputError(f"{run}: a run has the recipe that it was trained with; recipe={recipe} is for weights alone")
    config = replace(source.read([f"tokenizer={tokenizer}"] if tokenizer else []), device=device)
    ranks = single_rank(config)
    return Model(config, source.load(config, ranks), ranks)
