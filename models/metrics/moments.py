"""Metrics of Ego4D's moment queries: where in a video does something of each label happen?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from egocurate.models.metrics.intervals import interval_iou


class Moments(NamedTuple):
    """Labeled intervals of time, predicted or true; `score` ranks predicted ones and is not read of true ones."""

    video: np.ndarray  # int64 [N]
    label: np.ndarray  # int64 [N]
    span: np.ndarray  # float64 [N, 2], start and end in seconds
    score: np.ndarray  # float64 [N]


def moment_map(
    predicted: Moments, true: Moments, ious: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)
) -> dict[float, float]:
    """Mean average precision in percent over the true labels at each IoU, interpolated (ActivityNet's, Ego4D's MQ).

    In order of score, a predicted moment takes the free true one of its video and label that it overlaps most, if by at
    least the IoU; else it is wrong.
    """
    labels = np.unique(true.label)
    curves = [_hits(_only(predicted, label), _only(true, label), ious) for label in labels]
    counts = [(true.label == label).sum() for label in labels]
    return {
        iou: 100 * float(np.mean([_interpolated(hits[i], count) for hits, count in zip(curves, counts, strict=True)]))
        for i, iou in enumerate(ious)
    }


def moment_recall(
    predicted: Moments, true: Moments, *, times: Sequence[int] = (1, 5), ious: Sequence[float] = (0.3, 0.5, 0.7)
) -> dict[tuple[int, float], float]:
    """Percentage of true moments that one of the best k * n predicted ones overlaps by more than the IoU.

    By (k, IoU); n: true moments of a video and label, of which k * n predicted ones are taken (Ego4D's MQ, R@kx).
    """
    hits = {(k, iou): 0 for k in times for iou in ious}
    for video, label in np.unique(np.stack([true.video, true.label], 1), axis=0):
        spans = true.span[(true.video == video) & (true.label == label)]
        here = np.flatnonzero((predicted.video == video) & (predicted.label == label))
        here = here[np.argsort(-predicted.score[here], kind="stable")]
        overlap = interval_iou(spans[:, None], predicted.span[here])
        for k, iou in hits:
            hits[k, iou] += int((overlap[:, : k * len(spans)] > iou).any(1).sum())
    return {key: 100 * count / len(true.video) for key, count in hits.items()}


def _only(moments: Moments, label: int) -> Moments:
    """Moments of a label, best first."""
    chosen = np.flatnonzero(moments.label == label)
    chosen = chosen[np.argsort(-moments.score[chosen], kind="stable")]
    return Moments(*(part[chosen] for part in moments))


def _hits(predicted: Moments, true: Moments, ious: Sequence[float]) -> np.ndarray:
    """Tell for each IoU which predicted moments are right, bool [len(ious), N]."""
    right = np.zeros((len(ious), len(predicted.video)), bool)
    free = np.ones((len(ious), len(true.video)), bool)
    for place, (video, span) in enumerate(zip(predicted.video, predicted.span, strict=True)):
        here = np.flatnonzero(true.video == video)
        overlap = interval_iou(span, true.span[here])
        order = np.argsort(-overlap, kind="stable")
        for i, iou in enumerate(ious):
            match = next((j for j in order if overlap[j] >= iou and free[i, here[j]]), None)
            if match is not None:
                free[i, here[match]] = False
                right[i, place] = True
    return right


def _interpolated(right: np.ndarray, count: int) -> float:
    """Area under the precision-recall curve whose precision is the best at that recall or beyond."""
    hits = right.cumsum()
    precision = hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best[right].sum() / count)
