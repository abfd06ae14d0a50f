"""Metrics of classification: one class for each item (SSv2, Kinetics, EPIC-KITCHENS-100, EGTEA)."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from egocurate.labels import UNKNOWN


def top_k_hits(scores: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """Tell for each item whether its class is among the k of highest score, bool [N].

    scores: [N, C]; labels: int [N]. Of equal scores the lower class comes first. A score that is not a number answers
    wrong, and so does a label that is no class.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return (order == labels[:, None]).any(axis=1) & ~np.isnan(scores).any(axis=1)


def class_accuracies(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Return "top1", "top5" and "mean_class" in percent: the last one is the mean over classes of their top-1.

    scores: [N, C]; labels: int [N], of which -1 is not known and left out, and a class without items does not count.
    nan if no label is known. EGTEA's mean class accuracy is `mean_class`.
    """
    known = labels != UNKNOWN
    scores, labels = scores[known], labels[known]
    if not len(labels):
        return dict.fromkeys(("top1", "top5", "mean_class"), np.nan)
    top1 = top_k_hits(scores, labels, 1)
    return {
        "top1": 100 * float(top1.mean()),
        "top5": 100 * float(top_k_hits(scores, labels, 5).mean()),
        "mean_class": 100 * _mean_over_classes(top1, labels),
    }


def class_mean_recall(
    scores: np.ndarray, labels: np.ndarray, *, k: int = 5, classes: Collection[int] | None = None
) -> float:
    """Return the mean over classes of how often the class is among the k highest, in percent.

    EPIC-KITCHENS-100's action anticipation (2006.13256, section 5.4) takes k = 5; for its unseen and tail figures give
    the items of the unseen kitchens, and the tail `classes`. Classes without items do not count; nan if none has any.
    """
    known = labels != UNKNOWN
    if classes is not None:
        known &= np.isin(labels, list(classes))
    if not known.any():
        return np.nan
    return 100 * _mean_over_classes(top_k_hits(scores[known], labels[known], k), labels[known])


def action_scores(verbs: np.ndarray, nouns: np.ndarray, actions: np.ndarray) -> np.ndarray:
    """Return the score [N, A] of each action as the product of those of its verb and its noun.

    verbs: probabilities [N, V]; nouns: [N, M]; actions: int [A, 2], the verb and the noun class of each action.
    """
    return verbs[:, actions[:, 0]] * nouns[:, actions[:, 1]]


def _mean_over_classes(hits: np.ndarray, labels: np.ndarray) -> float:
    _, place = np.unique(labels, return_inverse=True)
    return float((np.bincount(place, hits) / np.bincount(place)).mean())
