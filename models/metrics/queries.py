"""The metric of Ego4D's natural language queries: when does the video show what a sentence asks for?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egocurate.models.metrics.intervals import interval_iou


def query_recall(
    predicted: np.ndarray, true: np.ndarray, *, top: Sequence[int] = (1, 5), ious: Sequence[float] = (0.3, 0.5)
) -> dict[tuple[int, float], float]:
    """Percentage of queries of which one of the best k windows has an IoU above theta, by (k, theta) (Ego4D's NLQ).

    predicted: [Q, K, 2] windows, best first, nan where there are fewer; true: [Q, 2].
    """
    overlap = np.nan_to_num(interval_iou(predicted, true[:, None]))
    return {(k, iou): 100 * float((overlap[:, :k] > iou).any(1).mean()) for k in top for iou in ious}


def mean_iou(predicted: np.ndarray, true: np.ndarray) -> float:
    """Return the mean IoU of the best windows in percent; predicted [Q, K, 2], best first, true [Q, 2]."""
    return 100 * float(np.nan_to_num(interval_iou(predicted[:, 0], true)).mean())
