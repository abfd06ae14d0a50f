"""EgoTaskQA (2210.03929): questions about clips, answered by one of the answers that training has."""

from __future__ import annotations

import numpy as np
import torch

from egocurate.labels import UNKNOWN
from egocurate.loaders import ShardIndex, Views
from egocurate.models.metrics.answers import answer_accuracy
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.tasks.classification import ClassificationEvaluator

ANSWER, REASONING = "answer", "reasoning"
"""The labels of shards that `curate segments --csv train_qas.json` cuts: what is learned, and the question's kinds."""


class EgoTaskQAEvaluator(ClassificationEvaluator):
    """Answers the questions of `test_shards`; without them there are no figures."""

    title = "questions"

    def views(self, config: TrainConfig) -> Views:
        """Return the one view that a question is answered by."""
        return Views(frames=config.data.frames, size=config.data.size, segments=1, crops=1, pick=config.data.pick)

    def logits(self, places: np.ndarray, frames: torch.Tensor, at_once: int) -> dict[str, torch.Tensor]:
        """Return the logits [n, answers] of the clips at some places, each [1, T, 3, S, S], and their questions."""
        index, form = self.clips.index, self.config.data.text
        questions = [index.row(self.clips.samples[place]).text_as(form) for place in places.tolist()]
        return {ANSWER: self.system.answer_logits(frames.flatten(0, 1), questions)}

    def figures(self, probabilities: dict[str, np.ndarray], decoded: np.ndarray) -> dict[str, float]:
        """Return `answer_accuracy` of those clips that decode (bool [N])."""
        index = self.clips.index
        return answer_accuracy(
            probabilities[ANSWER][decoded].argmax(1), self.clips.labels(ANSWER)[decoded], _kinds(index, decoded)
        )


def _kinds(index: ShardIndex, chosen: np.ndarray) -> list[str]:
    """Return the kinds of the chosen questions (bool [N]), "" where the shards do not tell them."""
    if REASONING not in index.label_names:
        return [""] * int(chosen.sum())
    names = index.label_names[REASONING]
    return [names[number] if number != UNKNOWN else "" for number in index.labels[REASONING][chosen].tolist()]
