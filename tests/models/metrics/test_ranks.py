import math

import numpy as np
import pytest

from egocurate.models.metrics.ranks import answer_ranks, dual_softmax, egovlp_dual_softmax, retrieval_figures


@pytest.mark.parametrize("seed", range(6))
def test_a_rank_counts_who_is_as_near_as_the_answer(seed):
    rng = np.random.default_rng(seed)
    similarity, answers = rng.integers(0, 5, (20, 12)) / 4, rng.integers(0, 12, 20)
    expected = [
        1 + sum(row[c] >= row[answer] for c in range(12) if c != answer)
        for row, answer in zip(similarity, answers, strict=True)
    ]
    assert answer_ranks(similarity, answers).tolist() == expected


def test_the_answer_is_the_diagonal_and_one_that_is_no_number_is_last():
    similarity = np.array([[0.9, 0.1, 0.2], [0.5, np.nan, 0.1], [0.3, 0.3, 0.3]])
    ranks = answer_ranks(similarity)
    assert ranks.tolist() == [1, 3, 3]
    assert retrieval_figures(ranks, top=(1, 3)) == {"r@1": pytest.approx(100 / 3), "r@3": 100.0, "median_rank": 3.0}


def test_dual_softmax_weights_each_column_by_its_best_row():
    similarity = np.random.default_rng(0).random((4, 5))
    again = dual_softmax(similarity, scale=10.0)
    for v in range(4):
        for s in range(5):
            weight = math.exp(10 * similarity[v, s]) / sum(math.exp(10 * similarity[u, s]) for u in range(4))
            assert again[v, s] == pytest.approx(similarity[v, s] * weight)


def test_a_row_that_is_near_to_all_no_longer_wins_everywhere():
    similarity = np.array([[0.9, 0.90, 0.90], [0.1, 0.95, 0.10], [0.1, 0.10, 0.95]])
    assert similarity[0].tolist() == [0.9, 0.9, 0.9]
    assert answer_ranks(dual_softmax(similarity)).tolist() == [1, 1, 1]
    assert np.isfinite(dual_softmax(similarity, scale=1e6)).all()


def test_egovlp_ranks_by_a_softmax_over_clips_and_one_over_sentences():
    products = np.random.default_rng(1).normal(0, 30, (3, 4))
    again = egovlp_dual_softmax(products)
    weighted = np.zeros((3, 4))
    for v in range(3):
        for s in range(4):
            over_clips = sum(math.exp(products[u, s] / 500) for u in range(3))
            weighted[v, s] = products[v, s] * math.exp(products[v, s] / 500) / over_clips
    for v in range(3):
        over_sentences = sum(math.exp(one) for one in weighted[v])
        for s in range(4):
            assert again[v, s] == pytest.approx(math.exp(weighted[v, s]) / over_sentences)
