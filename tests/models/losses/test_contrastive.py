"""EgoNCE and InfoNCE, value and gradient, against loops in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.models.losses.contrastive import (
    egonce,
    egonce_pairs,
    egonce_plus,
    info_nce,
    max_margin,
    sigmoid_loss,
    tag_pairs,
)

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


# The other losses: (function of text, video and rows; the formula, one pair at a time).
def cosine_loop(text, video):
    return [[a @ b / (a.norm() * b.norm()) for b in video] for a in text]


def naive_plus(text, video, altered, nouns, valid):
    scores, nouns, m = cosine_loop(text, video), sets(nouns), len(text)
    rows = [i for i in range(m) if valid[i]]
    loss = 0
    for i in rows:
        holds = {j: True if i == j else related(nouns[i], nouns[j]) for j in rows}
        below = sum((scores[i][j] / 0.1).exp() for j in rows if holds[j] is not None)
        above = sum((scores[i][j] / 0.1).exp() for j in rows if holds[j])
        texts = sum((scores[j][i] / 0.1).exp() for j in rows)
        hard = sum((a @ video[i] / (a.norm() * video[i].norm()) / 0.1).exp() for a in altered[i])
        loss = loss - torch.log(above / below) - torch.log((scores[i][i] / 0.1).exp() / (texts + hard))
    return loss / len(rows)


def naive_sigmoid(text, video, verbs, nouns, valid):
    scores, verbs, nouns = cosine_loop(text, video), sets(verbs), sets(nouns)
    rows, loss = [i for i in range(len(text)) if valid[i]], 0
    for i in rows:
        for j in rows:
            holds = i == j or rule(related(verbs[i], verbs[j]), related(nouns[i], nouns[j]), "and")
            if holds is not None:
                sign = 1 if holds else -1
                loss = loss + torch.log1p(torch.exp(-sign * (10 * scores[i][j] - 4)))
    return loss / len(rows)


def naive_margin(text, video, relevance):
    scores, m, loss = cosine_loop(text, video), len(text), 0
    for i in range(m):
        for j in range(m):
            if i != j:
                for other in (scores[i][j], scores[j][i]):
                    loss = loss + torch.relu(0.3 * relevance[i] - scores[i][i] + other)
    return loss / (2 * m * (m - 1))


def naive_info_nce(text, video, valid):
    tags = torch.zeros(len(text), 1, dtype=torch.bool)
    return naive(text, video, tags, tags, valid, 0.1, "and", "negative")


def cases(seed, m=8):
    """The losses as functions of text, video, the rows and what is of a row."""
    text, video, verbs, nouns, valid = batch(seed, m)
    generator = torch.Generator().manual_seed(seed + 100)
    altered = torch.randn(m, 3, 7, generator=generator, dtype=torch.float64)
    relevance = torch.rand(m, generator=generator, dtype=torch.float64)
    scale, bias = torch.tensor(10.0, dtype=torch.float64), torch.tensor(-4.0, dtype=torch.float64)

    def sigmoid(a, b, rows):
        return sigmoid_loss(a, b, egonce_pairs(verbs, nouns, valid, rows=rows), scale, bias, valid, rows=rows)

    return {
        "egonce": (
            lambda a, b, rows: egonce(a, b, verbs, nouns, valid, temperature=0.1, rows=rows),
            lambda a, b: naive(a, b, verbs, nouns, valid, 0.1, "and", "mask"),
        ),
        "info_nce": (
            lambda a, b, rows: info_nce(a, b, valid, temperature=0.1, rows=rows),
            lambda a, b: naive_info_nce(a, b, valid),
        ),
        "egonce_plus": (
            lambda a, b, rows: egonce_plus(a, b, altered, nouns, valid, temperature=0.1, rows=rows),
            lambda a, b: naive_plus(a, b, altered, nouns, valid),
        ),
        "sigmoid": (sigmoid, lambda a, b: naive_sigmoid(a, b, verbs, nouns, valid)),
        "max_margin": (
            lambda a, b, rows: max_margin(a, b, relevance, margin=0.3, rows=rows),
            lambda a, b: naive_margin(a, b, relevance),
        ),
    }, (text, video)


def value_and_gradients(function, text, video):
    text, video = text.clone().requires_grad_(), video.clone().requires_grad_()
    loss = function(text, video)
    loss.backward()
    return loss.item(), text.grad, video.grad


NAMES = ["egonce", "info_nce", "egonce_plus", "sigmoid", "max_margin"]
WHOLE = slice(None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_float64_value_and_gradient_equal_loop(name, seed):
    losses, (text, video) = cases(seed)
    function, loop = losses[name]
    value, *gradients = value_and_gradients(lambda a, b: function(a, b, WHOLE), text, video)
    expected, *expected_gradients = value_and_gradients(loop, text, video)
    assert value == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-10, atol=1e-12)
    assert torch.autograd.gradcheck(lambda a, b: function(a, b, WHOLE), (text.requires_grad_(), video.requires_grad_()))


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_rows_average_to_the_whole(name):
    """What ranks do: each its own rows against all; the mean of values and of gradients is the whole batch's."""
    losses, (text, video) = cases(5)
    function, _ = losses[name]
    whole = value_and_gradients(lambda a, b: function(a, b, WHOLE), text, video)
    parts = [value_and_gradients(lambda a, b, r=r: function(a, b, slice(r, r + 2)), text, video) for r in (0, 2, 4, 6)]
    value, *gradients = (sum(values) / 4 for values in zip(*parts, strict=True))
    assert value == pytest.approx(whole[0], rel=1e-12)
    torch.testing.assert_close(gradients, list(whole[1:]), rtol=1e-10, atol=1e-12)


def test_logits_are_made_for_the_rows_alone():
    """[m, M] numbers, never [M, M]: the pairs say so, and with them the logits they mask."""
    _, _, verbs, nouns, valid = batch(0, 12)
    pairs = egonce_pairs(verbs, nouns, valid, rows=slice(3, 6))
    assert pairs.positive.shape == pairs.negative.shape == (3, 12)
    whole = egonce_pairs(verbs, nouns, valid)
    assert torch.equal(pairs.positive, whole.positive[3:6])
    assert torch.equal(pairs.negative, whole.negative[3:6])
    assert not (whole.positive & whole.negative).any()
    assert whole.positive.diagonal().all()


def test_hard_negative_with_the_anchors_tags_is_not_pushed_away():
    """The anchor's gradient towards its negative's clip: pulled where the tags agree, still where they are empty."""
    text, video = torch.eye(4)[:2].clone(), torch.eye(4)[2:].clone()
    verbs = {"same": [[1, 0], [1, 0]], "other": [[1, 0], [0, 1]], "empty": [[0, 0], [0, 0]]}
    moved = {}
    for name, tags in verbs.items():
        tags, clip = torch.tensor(tags, dtype=torch.bool), video.clone().requires_grad_()
        egonce(text, clip, tags, tags).backward()
        moved[name] = -clip.grad[1] @ text[0]  # the way the negative's clip goes, along the anchor's text
    assert moved["other"] < 0
    assert moved["empty"] == 0
    assert moved["same"] >= 0


def test_adaptive_margin_of_one_is_the_plain_form():
    text, video, *_ = batch(2)
    assert max_margin(text, video).item() == pytest.approx(max_margin(text, video, torch.ones(10)).item())
    assert max_margin(text, video).item() != pytest.approx(max_margin(text, video, torch.full((10,), 0.5)).item())


def test_altered_texts_push_their_own_clip_alone():
    text, video, _, nouns, _ = batch(4)
    altered = torch.randn(10, 2, 7, dtype=torch.float64, requires_grad=True)
    video.requires_grad_()
    plain = egonce_plus(text, video, altered[:, :0], nouns)
    with_altered = egonce_plus(text, video, altered, nouns)
    assert with_altered > plain
    (difference,) = torch.autograd.grad(egonce_plus(text, video, altered[:3], nouns, rows=slice(0, 3)), altered)
    assert (difference[:3] != 0).any(-1).all() and (difference[3:] == 0).all()
