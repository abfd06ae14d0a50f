"""A batch of a config's sizes without content, for whoever wants to know what a step on such a batch takes."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from egocurate.loaders.batch import Batch
from egocurate.training.config.train_config import TrainConfig


def blank_batch(
    config: TrainConfig, anchors: int, classes: tuple[int, int], device: torch.device, labels: Iterable[str] = ()
) -> Batch:
    """Return a batch of so many anchors, with their negatives, on a device, with the longest texts.

    classes: how many verbs and nouns the data has. labels: the kinds of labels that each clip has, of the first class.
    """
    data = config.data
    rows = anchors * (2 if data.negatives else 1)
    verbs, nouns = (torch.zeros(rows, count, dtype=torch.bool) for count in classes)
    return Batch(
        frames=torch.zeros(rows, data.frames, data.size, data.size, 3, dtype=torch.uint8).movedim(-1, -3),
        texts=["a " * config.max_tokens] * rows,
        verbs=verbs,
        nouns=nouns,
        valid=torch.ones(rows, dtype=torch.bool),
        sample=torch.arange(rows),
        source=torch.zeros(rows, dtype=torch.int64),
        text_negatives=[["a " * config.max_tokens] * data.text_negatives] * rows if data.text_negatives else None,
        labels={kind: torch.zeros(rows, dtype=torch.int64) for kind in labels},
    ).to(device)
