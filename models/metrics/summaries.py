"""The metric of query-focused video summaries: how much what is shown means the same (Sharghi et al., CVPR 2017)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class SummaryScore(NamedTuple):
    """How well a summary agrees with another, each from 0 to 1."""

    precision: float
    recall: float
    f1: float


def summary_score(chosen: np.ndarray, true: np.ndarray) -> SummaryScore:
    """Compare the shots of a summary with those of the one that a person made, by their concepts.

    chosen: bool [M, C], the concepts that each shot shows; true: [N, C]. Each shot stands for at most one of the other
    side, so that the sum of their IoU is the largest that there is; precision is that sum by M, recall by N.
    """
    sum_of_iou = heaviest_matching(concept_iou(chosen, true))
    precision, recall = (sum_of_iou / max(1, len(shots)) for shots in (chosen, true))
    return SummaryScore(precision, recall, 2 * precision * recall / (precision + recall) if sum_of_iou else 0.0)


def concept_iou(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU of the concepts of shots, bool [M, C] and [N, C], as float64 [M, N]; 0 for two without any."""
    some, others = some.astype(np.float64), others.astype(np.float64)
    common = some @ others.T
    either = some.sum(1)[:, None] + others.sum(1) - common
    return common / np.maximum(either, 1)


def heaviest_matching(weights: np.ndarray) -> float:
    """Return the largest sum of weights [M, N], none below 0, of which no two are of one row or column.

    The Hungarian method by shortest augmenting paths, O(min(M, N)^2 max(M, N)).
    """
    if weights.size == 0:
        return 0.0
    cost = -(weights if weights.shape[0] <= weights.shape[1] else weights.T)
    rows, columns = cost.shape
    of_row, of_column = np.zeros(rows), np.zeros(columns)  # potentials
    row_of = np.full(columns, -1)
    for row in range(rows):
        _augment(row, cost, of_row, of_column, row_of)
    taken = np.flatnonzero(row_of >= 0)
    return float(-cost[row_of[taken], taken].sum())


def _augment(row: int, cost: np.ndarray, of_row: np.ndarray, of_column: np.ndarray, row_of: np.ndarray) -> None:
    """Match one more row, changing the potentials and which row each column has."""
    far = np.full(cost.shape[1], np.inf)
    came_from = np.full(cost.shape[1], -1)
    left = np.ones(cost.shape[1], bool)
    distance, column, here = 0.0, -1, row
    path_rows, path_far = [], []
    while True:
        path_rows.append(here)
        path_far.append(distance)
        reached = distance + cost[here] - of_row[here] - of_column
        nearer = left & (reached < far)
        far[nearer], came_from[nearer] = reached[nearer], column
        column = int(np.where(left, far, np.inf).argmin())
        distance, left[column] = far[column], False
        if row_of[column] < 0:
            break
        here = row_of[column]
    of_row[path_rows] += distance - np.array(path_far)
    done = ~left
    of_column[done] -= distance - far[done]
    while column >= 0:
        before = came_from[column]
        row_of[column] = row if before < 0 else row_of[before]
        column = before
