import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.lexicon.word_clusters import Evidence, affinity, grouped, nearness


def evidence(*pairs, apart=()):
    rows = np.array([pair[:2] for pair in pairs], dtype=np.int64).reshape(-1, 2)
    weight = np.array([pair[2] for pair in pairs], dtype=np.float64)
    return Evidence(rows[:, 0], rows[:, 1], weight, np.array([pair[:2] in apart for pair in pairs], dtype=bool))


ALIKE = np.array([[40, 40, 0], [20, 20, 0], [30, 30, 0], [0, 0, 60]])


def test_affinity_is_one_for_one_distribution_and_zero_for_nothing_in_common():
    found = affinity(ALIKE)
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 3] == 0
    assert affinity(np.array([[9, 1], [1, 9]]))[0, 1] == pytest.approx(2 * np.sqrt(0.9 * 0.1))


def test_nearness_does_not_depend_on_scale_and_is_half_for_the_unknown():
    alike = np.array([[0, 0.4, 0.2], [0.4, 0, 0.1], [0.2, 0.1, 0]])
    first, second = np.array([0, 0]), np.array([1, 2])
    many = np.full(3, 1e9)
    assert nearness(alike, many, first, second) == pytest.approx([1, 0.2 / np.sqrt(0.4 * 0.2)])
    assert nearness(alike / 3, many, first, second) == pytest.approx(nearness(alike, many, first, second))
    assert nearness(alike, np.zeros(3), first, second) == pytest.approx([0.5, 0.5])


def test_words_need_evidence_and_like_use():
    assert grouped(ALIKE, evidence((0, 1, 1.0), (0, 3, 1.0)), 0.3) == [[0, 1], [2], [3]]
    assert grouped(ALIKE, evidence((0, 1, 0.2)), 0.3) == [[0], [1], [2], [3]]
    assert grouped(ALIKE, evidence(), 0.3) == [[0], [1], [2], [3]]


def test_what_must_stay_apart_does_so_through_others_too():
    pairs = evidence((0, 1, 1.0), (0, 2, 1.0), (1, 2, 0.9), apart={(0, 2)})
    assert grouped(ALIKE, pairs, 0.3) == [[0, 1], [2], [3]]


def test_a_chain_is_not_followed_to_its_end():
    alike = np.full((5, 2), 50)
    chain = evidence((0, 1, 0.6), (1, 2, 0.6), (2, 3, 0.6), (3, 4, 0.6))
    assert max(map(len, grouped(alike, chain, 0.5))) < 5
    whole = evidence(*((a, b, 0.6) for a in range(5) for b in range(a + 1, 5)))
    assert grouped(alike, whole, 0.5) == [[0, 1, 2, 3, 4]]


def test_a_word_near_to_the_rarer_half_of_a_group_alone_stays_out():
    alike = np.array([[25, 25], [75, 75], [30, 30]])  # to cook, to prepare, to fry
    pairs = evidence((0, 1, 0.8), (0, 2, 0.7))
    assert grouped(alike, pairs, 0.3) == [[0, 1], [2]]
    assert grouped(alike[[1, 0, 2]], pairs, 0.3) == [[0, 1, 2]]  # near to the more frequent one


@given(st.integers(0, 10_000))
def test_groups_are_a_partition_and_finer_for_a_higher_bar(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 20, (8, 5))
    first, second = np.triu_indices(8, 1)
    pairs = Evidence(first, second, rng.random(len(first)), rng.random(len(first)) < 0.1)
    coarse, fine = grouped(counts, pairs, 0.3), grouped(counts, pairs, 0.6)
    assert sorted(row for group in coarse for row in group) == list(range(8))
    assert all(any(set(small) <= set(large) for large in coarse) for small in fine)
    for a, b in zip(first[pairs.apart], second[pairs.apart], strict=True):
        assert not any({a, b} <= set(group) for group in coarse)
