"""Moment queries against brute force and values worked by hand."""

import numpy as np
import pytest

from egocurate.models.metrics.moments import Moments, moment_map, moment_recall


def moments(rows):
    video, label, start, end, score = np.array(rows, float).reshape(-1, 5).T
    return Moments(video.astype(int), label.astype(int), np.stack([start, end], 1), score)


def test_moment_map_by_hand():
    true = moments([(0, 7, 0, 10, 0), (0, 7, 20, 30, 0), (1, 8, 0, 4, 0)])
    found = moments(
        [
            (0, 7, 0, 10, 0.9),  # right
            (0, 7, 1, 10, 0.8),  # again the same: wrong
            (0, 7, 20, 29, 0.7),  # right
            (1, 7, 20, 30, 0.6),  # another video
            (1, 8, 0, 2, 0.5),  # IoU .5
            (1, 9, 0, 4, 0.9),  # a label that nothing true has
        ]
    )
    figures = moment_map(found, true, (0.5, 0.6))
    assert figures[0.5] == pytest.approx(100 * ((1 + 2 / 3) / 2 + 1) / 2)
    assert figures[0.6] == pytest.approx(100 * ((1 + 2 / 3) / 2 + 0) / 2)
    assert moment_map(moments([]), true, (0.5,)) == {0.5: 0}


def naive_ap(found, true, iou):
    """Points of the curve one by one, and the best precision at each recall or beyond."""
    order, free, points, right = sorted(found, key=lambda row: -row[4]), list(true), [], 0
    for k, row in enumerate(order, 1):
        overlaps = [
            (max(0, min(row[3], t[3]) - max(row[2], t[2])) / (max(row[3], t[3]) - min(row[2], t[2])), t)
            for t in free
            if t[0] == row[0]
        ]
        overlaps = [pair for pair in overlaps if pair[0] >= iou]
        if overlaps:
            free.remove(max(overlaps, key=lambda pair: pair[0])[1])
            right += 1
        points.append((right / len(true), right / k))
    area, before = 0.0, 0.0
    for recall in sorted({recall for recall, _ in points}):
        area += (recall - before) * max(precision for other, precision in points if other >= recall)
        before = recall
    return area


@pytest.mark.parametrize("seed", range(20))
def test_moment_map_equals_brute_force(seed):
    random = np.random.default_rng(seed)

    def rows(count):
        start = random.uniform(0, 10, count)
        columns = (
            random.integers(0, 2, count),
            random.integers(0, 2, count),
            start,
            start + random.uniform(1, 6, count),
        )
        return [tuple(row) for row in np.stack([*columns, random.permutation(count)], 1).tolist()]

    found, true = rows(30), rows(8)
    labels = {row[1] for row in true}
    for iou, figure in moment_map(moments(found), moments(true), (0.1, 0.5)).items():
        parts = [[[r for r in part if r[1] == label] for part in (found, true)] for label in labels]
        assert figure == pytest.approx(100 * sum(naive_ap(*part, iou) for part in parts) / len(parts))


def test_moment_recall_takes_k_times_as_many_as_are_true():
    true = moments([(0, 7, 0, 10, 0), (0, 7, 20, 30, 0), (1, 7, 0, 4, 0)])
    found = moments([(0, 7, 50, 60, 0.9), (0, 7, 0, 10, 0.8), (0, 7, 20, 30, 0.7), (1, 8, 0, 4, 1.0)])
    figures = moment_recall(found, true, times=(1, 2), ious=(0.5,))
    assert figures == {(1, 0.5): pytest.approx(100 / 3), (2, 0.5): pytest.approx(200 / 3)}
