"""Multi-instance retrieval against brute force and values worked by hand."""

import math

import numpy as np
import pytest

from egocurate.models.metrics.retrieval import (
    Actions,
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
