"""Answers sorted by how sure and how wrong, and verbs taken for others, against loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.commands.run_report.answers import (
    MOST_VERBS,
    PARTS,
    Answers,
    confusion,
    pick,
    probabilities,
    what_was_wrong,
)


def test_probabilities_are_a_softmax_over_the_temperature():
    found = probabilities(np.array([[0.1, 0.2, 0.0, -1.0, 1.0], [500.0, 500.0, 0.0, 0.0, 0.0]]), 0.05)
    assert found.sum(axis=1) == pytest.approx([1, 1])
    assert found[0, 4] / found[0, 1] == pytest.approx(np.exp(0.8 / 0.05))
    assert found[1].tolist() == [0.5, 0.5, 0, 0, 0]


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 6))
def test_picked_are_the_surest_of_their_kind_and_each_text_once(seed, count, most):
    rng = np.random.default_rng(seed)
    answers = Answers(rng.dirichlet(np.ones(5), count), rng.integers(0, 5, count))
    texts = [f"text {number}" for number in rng.integers(0, 12, count)]
    picked = pick(answers, texts, most)
    is_right = answers.probability.argmax(1) == answers.right
    for group, kind in ((picked.surely_right, is_right), (picked.surely_wrong, ~is_right)):
        assert kind[group].all()
        assert len(group) == min(most, len({texts[place] for place in np.flatnonzero(kind)}))
        assert (np.diff(answers.sure[group]) <= 0).all()
        best = {}
        for place in np.flatnonzero(kind):
            best[texts[place]] = max(best.get(texts[place], 0), answers.sure[place])
        assert answers.sure[group] == pytest.approx(sorted(best.values(), reverse=True)[:most])
    assert (np.diff(answers.sure[picked.unsure]) >= 0).all()
    assert answers.sure[picked.unsure[0]] == answers.sure.min()


def test_verbs_are_counted_by_what_was_asked_and_what_was_chosen():
    found = confusion(["cut", "cut", "take", "", "cut"], ["cut", "take", "take", "cut", "wash"])
    assert found.verbs == ["cut", "take", "others"]
    assert found.counts.tolist() == [[1, 1, 1], [0, 1, 0], [0, 0, 0]]
    assert confusion(["", "cut"], ["cut", ""]) is None


def test_of_many_verbs_the_most_frequent_are_named():
    asked = [f"verb {number}" for number in range(40) for _ in range(number + 1)]
    found = confusion(asked, asked)
    assert len(found.verbs) == MOST_VERBS + 1
    assert found.verbs[0] == "verb 39"
    assert np.trace(found.counts) == found.counts.sum() == len(asked)


def test_wrong_answers_by_the_tags_that_they_share():
    answers = Answers(np.eye(5)[[0, 1, 1, 1]], np.array([0, 0, 0, 0]))
    verbs, nouns = np.array([True, False, True, True]), np.array([True, True, False, True])
    assert what_was_wrong(answers, verbs, nouns) == [(name, 1) for name in PARTS]
