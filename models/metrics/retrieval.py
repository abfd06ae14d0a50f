"""The metrics of multi-instance retrieval on EPIC-KITCHENS-100: relevancy, mAP and nDCG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Actions(NamedTuple):
    """What EPIC-KITCHENS says of a clip or a sentence: one verb class and the set of noun classes of each row."""

    verb: np.ndarray  # int64 [N]
    nouns: Sequence[set[int]]  # [N]


def relevancy(clips: Actions, sentences: Actions) -> np.ndarray:
    """Relevancy [V, S] of clips and sentences: half for the same verb, half the IoU of their nouns.

    The formula is that of JPoSE (1908.03477), which the EPIC-KITCHENS-100 challenge uses.
    """
    same = clips.verb[:, None] == sentences.verb
    count = 1 + max((noun for nouns in (*clips.nouns, *sentences.nouns) for noun in nouns), default=0)
    a, b = (_multi_hot(nouns, count) for nouns in (clips.nouns, sentences.nouns))
    common = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1) - common
    return 0.5 * same + 0.5 * common / np.maximum(union, 1)


def multi_instance_retrieval(similarity: np.ndarray, relevance: np.ndarray) -> dict[str, float]:
    """MAP and nDCG in percent of similarity [V, S] by relevance [V, S]: video to text, text to video and their mean."""
    figures = {}
    for name, metric in (("map", mean_average_precision), ("ndcg", ndcg)):
        to_text, to_video = metric(similarity, relevance), metric(similarity.T, relevance.T)
        figures |= {f"{name}_v2t": 100 * to_text, f"{name}_t2v": 100 * to_video}
        figures[f"{name}_avg"] = 50 * (to_text + to_video)
    return figures


def mean_average_precision(similarity: np.ndarray, relevance: np.ndarray) -> float:
    """EPIC-KITCHENS-100's mAP: precision at k sums fractional relevance [Q, N], counted where relevance is exactly 1.

    Ties in similarity [Q, N] keep the columns' order; a query without an item of relevance 1 is left out; nan if all.
    """
    ranked = _ranked(similarity, relevance)
    full = ranked == 1
    precision = ranked.cumsum(1) / np.arange(1, ranked.shape[1] + 1)
    count = full.sum(1)
    queried = count > 0
    return float(((precision * full).sum(1)[queried] / count[queried]).mean()) if queried.any() else np.nan


def ndcg(similarity: np.ndarray, relevance: np.ndarray) -> float:
    """EPIC-KITCHENS-100's nDCG: discounted relevance [Q, N] of the first items, as many as are relevant, over its best.

    Ties in similarity [Q, N] keep the columns' order; a query without relevant items is left out; nan if all are.
    """
    places = np.arange(relevance.shape[1])
    weight = np.where(places < (relevance > 0).sum(1)[:, None], 1 / np.log2(places + 2), 0)
    best = (-np.sort(-relevance, axis=1) * weight).sum(1)
    queried = best > 0
    gained = (_ranked(similarity, relevance) * weight).sum(1)
    return float((gained[queried] / best[queried]).mean()) if queried.any() else np.nan


def _ranked(similarity: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    return np.take_along_axis(relevance, np.argsort(-similarity, axis=1, kind="stable"), axis=1)


def _multi_hot(sets: Sequence[set[int]], count: int) -> np.ndarray:
    rows = np.zeros((len(sets), count), np.float32)
    for row, members in zip(rows, sets, strict=True):
        row[list(members)] = 1
    return rows
