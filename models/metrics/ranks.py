"""Metrics of retrieval where each query has one answer: R@k and median rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def answer_ranks(similarity: np.ndarray, answers: np.ndarray | None = None) -> np.ndarray:
    """Return the rank int64 [Q], from 1, of each query's answer: its column, `answers` int [Q], else the diagonal.

    similarity: [Q, N]. Of equal similarities the answer is the last: who says the same of all finds nothing. One that
    is not a number is the last of all.
    """
    similarity = np.where(np.isnan(similarity), -np.inf, similarity)
    queries = np.arange(len(similarity))
    own = similarity[queries, queries if answers is None else answers]
    return (similarity >= own[:, None]).sum(axis=1)


def best_answer_ranks(similarity: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return the rank int64 [Q], from 1, of the first of each query's own columns: those that `owners` int [N] tells.

    similarity: [Q, N]. As Frozen in Time and EgoVLP rank the captions of a video: among all of them its best one
    counts. Ties and what is not a number are as in `answer_ranks`, but for a query's own columns among each other.
    """
    similarity = np.where(np.isnan(similarity), -np.inf, similarity)
    own = owners == np.arange(len(similarity))[:, None]
    best = np.where(own, similarity, -np.inf).max(axis=1)
    return 1 + ((similarity >= best[:, None]) & ~own).sum(axis=1)


def retrieval_figures(ranks: np.ndarray, *, top: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Return the percentage of queries whose answer is among the first k as "r@k", and the "median_rank"."""
    recalls = {f"r@{k}": 100 * float((ranks <= k).mean()) for k in top}
    return recalls | {"median_rank": float(np.median(ranks))}


def dual_softmax(similarity: np.ndarray, *, scale: float = 1000.0) -> np.ndarray:
    """Return similarities [V, S] weighted by how well each query fits a column among all queries (2109.04290, 3.4).

    That is s * softmax over rows of scale * s: a video that is near every sentence is near none in particular. It needs
    all queries at once, so figures with it stand apart from those without.
    """
    return similarity * _softmax(scale * similarity.astype(np.float64), axis=0)


def egovlp_dual_softmax(products: np.ndarray, *, temperature: float = 500.0) -> np.ndarray:
    """Return how EgoVLP's release ranks EPIC-KITCHENS-100's clips and sentences, from inner products [V, S].

    Of embeddings as the towers give them, not of length 1, with a sentence for each clip: those that are the same stand
    there as often as they are narrated, and columns are picked afterwards. Products are weighted by their softmax over
    clips, at a temperature, and the softmax over sentences of that is the similarity.
    """
    weighted = products * _softmax(products.astype(np.float64) / temperature, axis=0)
    return _softmax(weighted, axis=1)


def _softmax(values: np.ndarray, axis: int) -> np.ndarray:
    powers = np.exp(values - values.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)
