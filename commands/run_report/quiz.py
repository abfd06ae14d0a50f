"""A run's model answers some questions, and its embeddings tell which clips are nearest to a text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from egocurate.commands.run_report.answers import Answers, probabilities
from egocurate.errors import InputError
from egocurate.loaders.egomcq_dataset import EgoMCQDataset
from egocurate.models.metrics.egomcq import cosine_scores, egomcq_accuracy
from egocurate.progress import Report
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import System
from egocurate.training.tasks.embed import Embedder
from egocurate.training.tasks.eval_batch import clips_at_once

USUAL_TEMPERATURE = 0.05
"""of objectives that name none, as the contrastive ones do"""


@dataclass(frozen=True)
class Quiz:
    """Questions that were answered by cosines, with what answered them."""

    questions: EgoMCQDataset
    answers: Answers
    accuracy: dict[str, float]
    """percent of right answers by type"""
    similarity: np.ndarray
    """float32 [Q, K], cosine of each question's text and each of the distinct clips"""
    asked: int
    """how many questions there are, of which these are some"""
    left_out: int
    """questions with a clip that does not decode"""


def answer(config: TrainConfig, system: System, ranks: Ranks, most: int, report: Report) -> Quiz:
    """Answer up to `most` of a config's questions, evenly from all over the file; InputError if none can be."""
    data = config.data
    every = EgoMCQDataset(config.mcq_json, config.mcq_shards, frames=data.frames, size=data.size, decoder=data.decoder)
    questions = every.only(np.unique(np.linspace(0, len(every) - 1, most).astype(np.int64)))
    embedder = Embedder(system, ranks, data.workers, clips_at_once(config, system, ranks))
    clips, failures = embedder.clips(questions.evaluation_clips(), "answering EgoMCQ", report)
    answered = ~np.isin(questions.choices, list(failures)).any(axis=1)
    if not answered.any():
        raise InputError(f"every question has a clip that does not decode ({next(iter(failures.values()))})")
    known = questions.clips
    questions = questions.only(np.flatnonzero(answered))
    clips = clips[np.searchsorted(known, questions.clips)]
    text = embedder.texts(questions.texts)
    scores = cosine_scores(text, clips, questions.choices)
    temperature = getattr(config.objective, "temperature", USUAL_TEMPERATURE)
    return Quiz(
        questions,
        Answers(probabilities(scores, temperature), questions.answers),
        egomcq_accuracy(scores, questions.answers, questions.types),
        (text @ clips.T).cpu().numpy(),
        len(every),
        int((~answered).sum()),
    )
