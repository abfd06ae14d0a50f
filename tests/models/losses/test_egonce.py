"""EgoNCE: value and gradient against a loop, rows that do not count, hard negatives, extreme scores."""

import math

import pytest
import torch

from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.info_nce import info_nce
from tests.models.losses.loops import RULES, loop_egonce, random_batch

torch.set_num_threads(1)


@pytest.mark.parametrize("undecided", ["mask", "negative"])
@pytest.mark.parametrize("positives", RULES)
@pytest.mark.parametrize("seed", range(4))
def test_value_and_gradient_equal_loop(seed, positives, undecided):
    text, video, verbs, nouns, valid = random_batch(seed)
    results = []
    for function in (
        lambda a, b: egonce(a, b, verbs, nouns, valid, temperature=0.1, positives=positives, undecided=undecided),
        lambda a, b: loop_egonce(a, b, verbs, nouns, valid, 0.1, positives, undecided),
    ):
        a, b = text.clone().requires_grad_(), video.clone().requires_grad_()
        loss = function(a, b)
        loss.backward()
        results.append((loss.item(), a.grad, b.grad))
    (value, *gradients), (expected, *expected_gradients) = results
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)
    for gradient, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-5)  # the loss itself works in float32


def test_rows_that_do_not_count_change_nothing():
    text, video, verbs, nouns, valid = random_batch(3)
    text.requires_grad_()
    loss = egonce(text, video, verbs, nouns, valid)
    loss.backward()
    assert torch.equal(text.grad[~valid], torch.zeros_like(text.grad[~valid]))
    alone = egonce(text[valid], video[valid], verbs[valid], nouns[valid])
    assert loss.item() == pytest.approx(alone.item(), rel=1e-6)


def test_no_row_counts_gives_zero_and_finite_gradients():
    text, video, verbs, nouns, _ = random_batch(1)
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
