"""EgoMCQ accuracy (EgoVLP, 2206.01670, section 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from egocurate.questions import INTER, INTRA


class EgoMCQQuestions(NamedTuple):
    """Questions as numbers: the five clips of each, the right one's place among them, and the type."""

    choices: np.ndarray  # int64 [Q, 5], rows of the clip embeddings
    answer: np.ndarray  # int64 [Q], 0..4
    types: np.ndarray  # int64 [Q], INTER or INTRA


def egomcq_accuracy(text: Tensor, clips: Tensor, questions: EgoMCQQuestions) -> dict[str, float]:
    """Share of questions, in percent, whose right clip has the highest cosine with the text, by type.

    text: [Q, D] one row per question, clips: [C, D] distinct clips. Ties go to the lowest place; a score that is not a
    number answers wrong. A type without questions is left out.
    """
    text, clips = F.normalize(text.float(), dim=1).cpu(), F.normalize(clips.float(), dim=1).cpu()
    options = clips.numpy()[questions.choices]  # [Q, 5, D]
    return score_accuracy(np.einsum("qd,qkd->qk", text.numpy(), options), questions)


def score_accuracy(scores: np.ndarray, questions: EgoMCQQuestions) -> dict[str, float]:
    """Share of questions, in percent, whose right clip has the highest of their scores [Q, 5], as `egomcq_accuracy`."""
    right = (scores.argmax(axis=1) == questions.answer) & ~np.isnan(scores).any(axis=1)
    names = {"inter": INTER, "intra": INTRA}
    return {
        name: 100 * float(right[questions.types == kind].mean())
        for name, kind in names.items()
        if kind in questions.types
    }
