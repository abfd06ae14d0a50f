"""EgoNCE and InfoNCE, value and gradient, against loops in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.losses import egonce, info_nce, tag_pairs

torch.set_num_threads(1)
RULES = ["and", "or", "noun", "verb"]


def related(a, b):
    """Whether two rows' classes are shared: True, False, or None where one of them has none."""
    return None if not a or not b else bool(a & b)


def rule(verb, noun, positives):
    """Three-valued logic, written out."""
    if positives == "verb":
        return verb
    if positives == "noun":
        return noun
    both = [verb, noun]
    if positives == "and":
        return False if False in both else (None if None in both else True)
    return True if True in both else (None if None in both else False)


def sets(tags):
    return [set(torch.nonzero(row).flatten().tolist()) for row in tags]


def naive(text, video, verbs, nouns, valid, temperature, positives, undecided):
    """The formula, one pair at a time."""
    m = len(text)
    unit = lambda x: x / x.norm(dim=1, keepdim=True)  # noqa: E731
    scores = unit(text) @ unit(video).T / temperature
    verbs, nouns = sets(verbs), sets(nouns)
    total = text.new_zeros(())
    rows = [i for i in range(m) if valid[i]]
    for direction in (scores, scores.T):
        for i in rows:
            above, below = [], []
            for j in rows:
                holds = i == j or rule(related(verbs[i], verbs[j]), related(nouns[i], nouns[j]), positives)
                if holds is None and undecided == "negative":
                    holds = False
                if holds is not None:
                    below.append(direction[i, j].exp())
                if holds:
                    above.append(direction[i, j].exp())
            total = total - torch.log(sum(above) / sum(below)) / len(rows)
    return total


def batch(seed, m=10, width=7):
    generator = torch.Generator().manual_seed(seed)
    text, video = (torch.randn(m, width, generator=generator, dtype=torch.float64) for _ in range(2))
    verbs, nouns = (torch.rand(m, 5, generator=generator) < 0.25 for _ in range(2))
    valid = torch.rand(m, generator=generator) < 0.8
    valid[0] = True
    return text, video, verbs, nouns, valid


@pytest.mark.parametrize("undecided", ["mask", "negative"])
@pytest.mark.parametrize("positives", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_value_and_gradient_equal_loop(seed, positives, undecided):
    text, video, verbs, nouns, valid = batch(seed)
    results = []
    for function in (
        lambda a, b: egonce(a, b, verbs, nouns, valid, temperature=0.1, positives=positives, undecided=undecided),
        lambda a, b: naive(a, b, verbs, nouns, valid, 0.1, positives, undecided),
    ):
        a, b = text.clone().requires_grad_(), video.clone().requires_grad_()
        loss = function(a, b)
        loss.backward()
        results.append((loss.item(), a.grad, b.grad))
    (value, *gradients), (expected, *expected_gradients) = results
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)  # the loss itself works in float32


@given(st.data(), st.sampled_from(RULES))
@settings(max_examples=60, deadline=None)
def test_pairs_equal_three_valued_logic(data, positives):
    m = data.draw(st.integers(1, 6))
    draw = lambda: torch.tensor(  # noqa: E731
        data.draw(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=m, max_size=m))
    )
    verbs, nouns = draw(), draw()
    positive, negative = tag_pairs(verbs, nouns, positives)
    for i, (verb, noun) in enumerate(zip(sets(verbs), sets(nouns), strict=True)):
        for j, (other_verb, other_noun) in enumerate(zip(sets(verbs), sets(nouns), strict=True)):
            holds = rule(related(verb, other_verb), related(noun, other_noun), positives)
            assert (positive[i, j].item(), negative[i, j].item()) == (holds is True, holds is False)


def test_info_nce_is_cross_entropy_both_ways():
    text, video, *_ = batch(0)
    scores = torch.cosine_similarity(text[:, None], video[None], dim=2) / 0.05
    target = torch.arange(len(text))
    expected = torch.nn.functional.cross_entropy(scores, target) + torch.nn.functional.cross_entropy(scores.T, target)
    assert info_nce(text, video).item() == pytest.approx(expected.item(), rel=1e-5)


def test_rows_that_do_not_count_change_nothing():
    text, video, verbs, nouns, valid = batch(3)
    text.requires_grad_()
    loss = egonce(text, video, verbs, nouns, valid)
    loss.backward()
    assert torch.equal(text.grad[~valid], torch.zeros_like(text.grad[~valid]))
    alone = egonce(text[valid], video[valid], verbs[valid], nouns[valid])
    assert loss.item() == pytest.approx(alone.item(), rel=1e-6)


def test_no_row_counts_gives_zero_and_finite_gradients():
    text, video, verbs, nouns, _ = batch(1)
    text.requires_grad_()
    loss = egonce(text, video, verbs, nouns, torch.zeros(len(text), dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(text.grad).all()


def test_hard_negative_with_the_anchors_tags_is_a_positive():
    """Two rows of equal tags and embeddings, both right: nothing is left to push apart."""
    tags = torch.tensor([[True, False], [True, False]])
    rows = torch.ones(2, 4)
    assert egonce(rows, rows, tags, tags).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(rows, rows).item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_published_treatment_pushes_untagged_pairs_apart():
    rows, none = torch.ones(2, 4), torch.zeros(2, 3, dtype=torch.bool)
    assert egonce(rows, rows, none, none).item() == pytest.approx(0, abs=1e-6)
    assert egonce(rows, rows, none, none, undecided="negative").item() == pytest.approx(2 * math.log(2), rel=1e-6)


def test_extreme_scores_stay_finite_in_half_precision():
    text = torch.eye(4, dtype=torch.bfloat16).requires_grad_()
    tags = torch.eye(4, dtype=torch.bool)
    loss = egonce(text, -torch.eye(4, dtype=torch.bfloat16), tags, tags, temperature=0.005)
    loss.backward()
    assert loss.item() == pytest.approx(2 * (200 + math.log(3)), rel=1e-3)
    assert torch.isfinite(text.grad).all()


def test_unknown_rule_is_named():
    text, video, verbs, nouns, _ = batch(0)
    with pytest.raises(ValueError, match="'both'"):
        egonce(text, video, verbs, nouns, positives="both")
