"""From scores to answers: the best spans of positions, and moments without those that say the same again."""

from __future__ import annotations

import numpy as np

from egocurate.models.metrics.intervals import interval_iou

CANDIDATES = 200
"""spans that are looked at for the best few"""


def best_spans(start: np.ndarray, end: np.ndarray, *, top: int = 5, most_iou: float = 0.7) -> np.ndarray:
    """Return the best spans of a row, int64 [K, 2], K at most `top`: first and last position, best first.

    start, end: probabilities [P] of positions to begin and to end the answer; a span's score is their product. A span
    that overlaps a better one by more than `most_iou` is left out: it would say the same again.
    """
    joint = np.triu(np.outer(start, end))
    order = np.argsort(-joint, axis=None, kind="stable")[:CANDIDATES]
    spans = np.stack(np.unravel_index(order, joint.shape), 1)
    spans = spans[spans[:, 0] <= spans[:, 1]]
    chosen: list[np.ndarray] = []
    for span in spans:
        taken = np.array(chosen).reshape(-1, 2)
        if len(taken) == 0 or interval_iou(_edges(span), _edges(taken)).max() <= most_iou:
            chosen.append(span)
        if len(chosen) == top:
            break
    return np.array(chosen)


def soft_nms(spans: np.ndarray, scores: np.ndarray, *, sigma: float = 0.5, most: int = 100) -> np.ndarray:
    """Return which of the moments of one label to keep, best first, and with what scores: [K, 2], place and score.

    spans: [N, 2]. Each one taken lowers the score of those that it overlaps by exp(-IoU^2 / sigma) (1704.04503).
    """
    scores, left, kept = scores.astype(np.float64).copy(), np.ones(len(scores), bool), []
    for _ in range(min(most, len(scores))):
        best = int(np.argmax(np.where(left, scores, -1)))
        kept.append((best, scores[best]))
        left[best] = False
        scores[left] *= np.exp(-(interval_iou(spans[best], spans[left]) ** 2) / sigma)
    return np.array(kept).reshape(-1, 2)


def _edges(spans: np.ndarray) -> np.ndarray:
    return spans + np.array([0, 1])
