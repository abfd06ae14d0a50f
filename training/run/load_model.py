"""A trained run as a model to use: clips and texts become embeddings of one space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks, single_rank
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.systems.base import System
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.eval_batch import MOST


@dataclass(frozen=True)
class Model:
    """What a run has learned; the cosine of a clip and a text is the product of their embeddings."""

    config: TrainConfig
    system: System
    ranks: Ranks

    def embed_frames(self, frames: Tensor) -> Tensor:
        """Embed clips uint8 [B, T, 3, S, S] as float32 [B, D] of length 1, on the model's device.

        S is `config.data.size`, and T the `config.data.frames` that the model has learned from; the pixels are RGB.
        Raises ValueError for frames of another kind or size.
        """
        size = self.config.data.size
        if frames.dtype != torch.uint8 or frames.ndim != 5 or frames.shape[2:] != (3, size, size):
            raise ValueError(f"frames {frames.dtype} {tuple(frames.shape)}: give uint8 [B, T, 3, {size}, {size}]")
        return unit_rows(self._embedder.frames(frames))

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts as float32 [M, D] of length 1, on the model's device."""
        if isinstance(texts, str):
            raise ValueError(f"texts {texts!r}: give a list of texts")
        return self._embedder.texts(texts)

    @property
    def _embedder(self) -> Embedder:
        return Embedder(self.system, self.ranks, workers=0, clips_at_once=MOST)


def load_model(run: str | Path, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Model:
    """Load the newest checkpoint of a run, the folder OUT of its training; "auto" takes a GPU if there is one.

    Raises InputError for a folder that holds no run or no checkpoint, for a model without texts, and for a GPU that is
    not there.
    """
    config = replace(read_run(Path(run), []), device=device)
    ranks = single_rank(config)
    system, _ = restore(config, ranks)
    if not system.embedding:
        raise InputError(f"{run}: {config.system} has no text tower: of it there are only features (`curate features`)")
    return Model(config, system, ranks)
