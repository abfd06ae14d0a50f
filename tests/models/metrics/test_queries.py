"""Overlap of intervals, and recall of natural language queries."""

import numpy as np

from egocurate.models.metrics.intervals import interval_iou
from egocurate.models.metrics.queries import query_recall


def test_interval_iou():
    assert interval_iou(np.array([[0.0, 4.0], [0.0, 1.0], [2.0, 2.0]]), np.array([2.0, 6.0])).tolist() == [1 / 3, 0, 0]
    assert interval_iou(np.array([2.0, 2.0]), np.array([2.0, 2.0])) == 0


def test_query_recall_needs_more_than_the_iou():
    true = np.array([[0.0, 10.0], [0.0, 10.0]])
    found = np.array([[[0.0, 5.0], [0.0, 9.0]], [[20.0, 30.0], [np.nan, np.nan]]])
    figures = query_recall(found, true, top=(1, 2), ious=(0.3, 0.5))
    assert figures == {(1, 0.3): 50, (1, 0.5): 0, (2, 0.3): 50, (2, 0.5): 50}
