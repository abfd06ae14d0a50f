"""Retrieval and detection metrics against brute force and values worked by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.models.metrics.moments import Moments, interval_iou, moment_map, moment_recall, query_recall
from egocurate.models.metrics.retrieval import (
    Actions,
    average_precision,
    mean_average_precision,
    multi_instance_retrieval,
    ndcg,
    relevancy,
)


def naive_map(similarity, relevance):
    precisions = []
    for scores, relevant in zip(similarity, relevance, strict=True):
        order = sorted(range(len(scores)), key=lambda i: -scores[i])
        values = [sum(relevant[j] for j in order[: k + 1]) / (k + 1) for k, i in enumerate(order) if relevant[i] == 1]
        if values:
            precisions.append(sum(values) / len(values))
    return sum(precisions) / len(precisions)


def naive_ndcg(similarity, relevance):
    gains = []
    for scores, relevant in zip(similarity, relevance, strict=True):
        count = sum(value > 0 for value in relevant)
        if count:
            gain = lambda order: sum(relevant[i] / math.log2(k + 2) for k, i in enumerate(order[:count]))  # noqa: B023, E731
            found = sorted(range(len(scores)), key=lambda i: -scores[i])
            gains.append(gain(found) / gain(sorted(range(len(scores)), key=lambda i: -relevant[i])))
    return sum(gains) / len(gains)


@pytest.mark.parametrize("seed", range(20))
def test_retrieval_equals_brute_force(seed):
    random = np.random.default_rng(seed)
    similarity = random.integers(0, 6, (7, 9)) / 5  # ties
    relevance = random.choice([0, 0, 0.25, 0.5, 1], (7, 9))
    relevance[0, 0] = 1
    assert mean_average_precision(similarity, relevance) == pytest.approx(naive_map(similarity, relevance))
    assert ndcg(similarity, relevance) == pytest.approx(naive_ndcg(similarity, relevance))


def test_map_sums_fractional_relevance():
    """Binary average precision would be a half."""
    assert mean_average_precision(np.array([[3.0, 2.0, 1.0]]), np.array([[0.5, 1.0, 0.0]])) == 0.75


def test_ndcg_of_the_benchmarks_example():
    similarity = np.array([[1.0, 0.7, 0.4, 0.0], [0.3, 0.9, 0.6, 0.1], [0.2, 0.5, 0.8, 0.4]])
    relevance = np.array([[1.0, 0.5, 0.25, 0.0], [0.0, 1.0, 0.4, 0.0], [0.5, 0.3, 1.0, 0.0]])
    assert ndcg(similarity, relevance) == pytest.approx(0.9371789900735429, abs=1e-15)


def test_queries_without_anything_relevant_are_left_out():
    similarity, relevance = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    assert mean_average_precision(similarity, relevance) == 0.5
    assert ndcg(similarity, relevance) == 0
    assert math.isnan(mean_average_precision(similarity, 0 * relevance))
    assert math.isnan(ndcg(similarity, 0 * relevance))


def test_relevancy_is_half_verb_half_nouns():
    clips = Actions(np.array([0, 1]), [{1, 2}, {5}])
    sentences = Actions(np.array([0, 0, 2]), [{1, 2}, {2, 3}, {7}])
    assert relevancy(clips, sentences).tolist() == [[1.0, pytest.approx(0.5 + 0.5 / 3), 0.0], [0.0, 0.0, 0.0]]


def test_both_directions_and_their_mean():
    similarity, relevance = np.array([[2.0, 1.0], [3.0, 0.0]]), np.eye(2)
    figures = multi_instance_retrieval(similarity, relevance)
    assert figures["map_v2t"] == pytest.approx(100 * (1 + 0.5) / 2)
    assert figures["map_t2v"] == pytest.approx(100 * (0.5 + 0.5) / 2)
    assert figures["map_avg"] == pytest.approx((figures["map_v2t"] + figures["map_t2v"]) / 2)
    assert figures["ndcg_t2v"] == 0
    assert figures["ndcg_v2t"] == 50


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_average_precision_is_the_area_by_thresholds(items):
    scores, labels = np.array([float(s) for s, _ in items]), np.array([right for _, right in items])
    if not labels.any():
        assert math.isnan(average_precision(scores[:, None], labels[:, None])[0])
        return
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        precision, reached = labels[taken].mean(), labels[taken].sum() / labels.sum()
        area += precision * (reached - recall)
        recall = reached
    assert average_precision(scores[:, None], labels[:, None])[0] == pytest.approx(area)


def test_interval_iou():
    assert interval_iou(np.array([[0.0, 4.0], [0.0, 1.0], [2.0, 2.0]]), np.array([2.0, 6.0])).tolist() == [1 / 3, 0, 0]
    assert interval_iou(np.array([2.0, 2.0]), np.array([2.0, 2.0])) == 0


def test_query_recall_needs_more_than_the_iou():
    true = np.array([[0.0, 10.0], [0.0, 10.0]])
    found = np.array([[[0.0, 5.0], [0.0, 9.0]], [[20.0, 30.0], [np.nan, np.nan]]])
    figures = query_recall(found, true, top=(1, 2), ious=(0.3, 0.5))
    assert figures == {(1, 0.3): 50, (1, 0.5): 0, (2, 0.3): 50, (2, 0.5): 50}


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
