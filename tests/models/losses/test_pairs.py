"""Pairs of rows by their tags, against three-valued logic written out."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.pairs import egonce_pairs, tag_pairs
from tests.models.losses.loops import RULES, class_sets, random_batch, rule_holds, shared

torch.set_num_threads(1)


@given(st.data(), st.sampled_from(RULES))
@settings(max_examples=60, deadline=None)
def test_pairs_equal_three_valued_logic(data, positives):
    m = data.draw(st.integers(1, 6))
    draw = lambda: torch.tensor(  # noqa: E731
        data.draw(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=m, max_size=m))
    )
    verbs, nouns = draw(), draw()
    positive, negative = tag_pairs(verbs, nouns, positives)
    for i, (verb, noun) in enumerate(zip(class_sets(verbs), class_sets(nouns), strict=True)):
        for j, (other_verb, other_noun) in enumerate(zip(class_sets(verbs), class_sets(nouns), strict=True)):
            holds = rule_holds(shared(verb, other_verb), shared(noun, other_noun), positives)
            assert (positive[i, j].item(), negative[i, j].item()) == (holds is True, holds is False)


def test_logits_are_made_for_the_rows_alone():
    """[m, M] numbers, never [M, M]: the pairs say so, and with them the logits they mask."""
    _, _, verbs, nouns, valid = random_batch(0, 12)
    pairs = egonce_pairs(verbs, nouns, valid, rows=slice(3, 6))
    assert pairs.positive.shape == pairs.negative.shape == (3, 12)
    whole = egonce_pairs(verbs, nouns, valid)
    assert torch.equal(pairs.positive, whole.positive[3:6])
    assert torch.equal(pairs.negative, whole.negative[3:6])
    assert not (whole.positive & whole.negative).any()
    assert whole.positive.diagonal().all()


def test_unknown_rule_is_named():
    text, video, verbs, nouns, _ = random_batch(0)
    with pytest.raises(ValueError, match="'both'"):
        egonce(text, video, verbs, nouns, positives="both")
