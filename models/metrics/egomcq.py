"""EgoMCQ accuracy (EgoVLP, 2206.01670, section 3.3)."""

from __future__ import annotations

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from egocurate.questions import INTER, INTRA


def cosine_scores(text: Tensor, clips: Tensor, choices: np.ndarray) -> np.ndarray:
    """Return the cosine of each question's text with each of its five clips, float32 [Q, 5].

    text: [Q, D], one row per question; clips: [C, D], distinct clips; choices: int64 [Q, 5], rows of clips.
    """
    text, clips = F.normalize(text.float(), dim=1).cpu(), F.normalize(clips.float(), dim=1).cpu()
    options = clips.numpy()[choices]  # [Q, 5, D]
    return np.einsum("qd,qkd->qk", text.numpy(), options)


def egomcq_accuracy(scores: np.ndarray, answers: np.ndarray, types: np.ndarray) -> dict[str, float]:
    """Return the percentage of questions whose right clip has the highest score, by type: "inter" and "intra".

    scores: float [Q, 5]; answers: int64 [Q], the right clip's place, 0 to 4; types: int64 [Q], INTER or INTRA. Of equal
    scores the lowest place counts; a score that is not a number answers wrong. A type without questions is left out.
    """
    right = (scores.argmax(axis=1) == answers) & ~np.isnan(scores).any(axis=1)
    names = {"inter": INTER, "intra": INTRA}
    return {name: 100 * float(right[types == kind].mean()) for name, kind in names.items() if kind in types}
