"""Average precision of multi-label classification, the metric of Charades-Ego."""

from __future__ import annotations

import numpy as np


def average_precision(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision [C] of each class of a multi-label task, scores [N, C] against bool labels [N, C].

    Items of equal score are ranked as one, as scikit-learn does; nan for a class without items. Charades-Ego's mAP is
    the nanmean.
    """
    return np.array([_of_one_class(score, label) for score, label in zip(scores.T, labels.T, strict=True)])


def _of_one_class(score: np.ndarray, label: np.ndarray) -> float:
    if not label.any():
        return np.nan
    order = np.argsort(-score, kind="stable")
    score, label = score[order], label[order]
    last = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)  # of each group of equal scores
    hits = label.cumsum()[last]
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / (last + 1)).sum() / hits[-1])
