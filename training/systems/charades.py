"""EgoVLP tuned to Charades-Ego: clips of actions and the phrases of their classes."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.egovlp import EgoVLPSystem
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.charades import CharadesEvaluator

KIND = "action"
"""The label of shards that `curate segments --csv CharadesEgo_v1_train_only1st.csv` cuts."""


class CharadesSystem(EgoVLPSystem):
    """The contrast of actions' clips with the phrases of their classes, as EgoVLP's release makes texts of them.

    By EgoNCE clips of the same class are positives of each other; by InfoNCE they are pushed apart, as published.
    """

    def __init__(self, config: TrainConfig, data: Stream | None, ranks: Ranks) -> None:
        """Build the model; raises InputError as `EgoVLPSystem`, and for shards without phrases of actions."""
        self.phrases: list[str] = []
        if data is not None:
            self.phrases = _phrases(data, config)
        super().__init__(config, data, ranks)

    def embed(self, network: nn.Module, batch: Batch, step_rng: StepRng) -> tuple[Tensor, ...]:
        """Embed the phrases of the clips' classes, and the clips, [M, projection] each."""
        return super().embed(network, replace(batch, texts=self._texts(batch)), step_rng)

    def compare(self, embeddings: tuple[Tensor, ...], batch: Batch) -> dict[str, Tensor]:
        """Return the contrastive loss, in which the class is what clips share."""
        if KIND in batch.labels:
            number = batch.labels[KIND]
            shared = F.one_hot(number.clamp(min=0), len(self.phrases)).bool()
            batch = replace(batch, verbs=shared, nouns=shared, valid=batch.valid & (number >= 0))
        return super().compare(embeddings, batch)

    def evaluator(self, config: TrainConfig, ranks: Ranks, report: Report) -> CharadesEvaluator:
        """Return the mAP of whole videos of `annotations`."""
        return CharadesEvaluator(config, self, ranks, report)

    def _texts(self, batch: Batch) -> list[str]:
        if KIND not in batch.labels:
            return batch.texts
        return [self.phrases[max(number, 0)] for number in batch.labels[KIND].tolist()]


def _phrases(data: Stream, config: TrainConfig) -> list[str]:
    names = [index.label_names.get(KIND) for index in data.indexes]
    if None in names or any(one != names[0] for one in names):
        raise InputError(
            f"{', '.join(config.shards)}: no label {KIND}, or not the same one; cut CharadesEgo_v1_train_only1st.csv, "
            "with Charades_v1_classes.txt beside it, with `curate segments --csv`"
        )
    return list(names[0])
