"""Masked tokens and matched pairs, drawn from given numbers, against loops and frequencies."""

import itertools
import math

import pytest
import torch

from egocurate.models.egovlpv2.masking_and_matching import Vocabulary, draw, mask_tokens, match_rows, mlm_loss, vtm_loss
from egocurate.models.losses.cosines import cosines
from egocurate.models.losses.pairs import egonce_pairs

torch.set_num_threads(1)
WORDS = Vocabulary(size=50, mask_id=4, special_ids=(0, 1, 2, 3))


def uniform(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_masking_hides_the_published_shares():
    ids = torch.randint(5, 50, (400, 50), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -1] = 1, 2
    masked = mask_tokens(ids, WORDS, uniform(400, 50, 3))
    flat, shown = ids.flatten(), masked.ids.flatten()
    assert torch.equal(masked.targets, flat[masked.places])
    untouched = torch.ones(len(flat), dtype=torch.bool)
    untouched[masked.places] = False
    assert torch.equal(shown[untouched], flat[untouched])
    assert not torch.isin(masked.targets, torch.tensor([1, 2])).any()
    shown = shown[masked.places]
    assert len(masked.places) / (400 * 48) == pytest.approx(0.15, abs=0.01)
    assert (shown == WORDS.mask_id).float().mean().item() == pytest.approx(0.8 + 0.1 / 50, abs=0.02)
    kept = (shown == masked.targets).float().mean().item()
    assert kept == pytest.approx(0.1 + 0.1 / 50, abs=0.02)
    replaced = shown[(shown != WORDS.mask_id) & (shown != masked.targets)]
    assert replaced.min() >= 0 and replaced.max() < 50 and len(replaced.unique()) > 40


def test_masking_is_a_function_of_its_row():
    ids = torch.randint(0, 50, (6, 9), generator=torch.Generator().manual_seed(1))
    numbers = uniform(6, 9, 3)
    whole, part = mask_tokens(ids, WORDS, numbers), mask_tokens(ids[2:4], WORDS, numbers[2:4])
    assert torch.equal(whole.ids[2:4], part.ids)
    valid = torch.tensor([True, False] * 3)
    masked = mask_tokens(ids, WORDS, numbers, valid)
    assert set((masked.places // 9).tolist()) <= {0, 2, 4}
    assert torch.equal(masked.ids[1::2], ids[1::2])


def test_mlm_loss_equals_loop_in_value_and_gradient():
    logits = uniform(5, 7).requires_grad_()
    targets = torch.tensor([0, 3, 6, 3, 1])
    expected = sum(
        math.log(sum(math.exp(x) for x in row)) - row[t]
        for row, t in zip(logits.tolist(), targets.tolist(), strict=True)
    )
    assert mlm_loss(logits, targets).item() == pytest.approx(expected / 5, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: mlm_loss(x, targets), logits)


def test_mlm_loss_without_hidden_tokens_is_zero():
    logits = torch.zeros(0, 7, requires_grad=True)
    loss = mlm_loss(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0


def test_vtm_loss_equals_loop_in_value_and_gradient():
    logits = uniform(4, 2).requires_grad_()
    label, valid = torch.tensor([1, 0, 0, 1]), torch.tensor([True, True, False, True])
    rows = [(row, t) for row, t, v in zip(logits.tolist(), label.tolist(), valid.tolist(), strict=True) if v]
    expected = sum(math.log(math.exp(row[0]) + math.exp(row[1])) - row[t] for row, t in rows) / 3
    assert vtm_loss(logits, label, valid).item() == pytest.approx(expected, abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: vtm_loss(x, label, valid), logits)


def naive_matches(text_logits, video_logits, negative, half, numbers, first):
    matches = []
    for i in range(len(half)):
        own, partners = first + i, [j for j in range(negative.shape[1]) if negative[i, j]]
        if not half[i] or not partners:
            matches.append((own, own, 1))
            continue
        logits = text_logits[i] if numbers[i, 0] < 0.5 else video_logits[i]
        weights = [math.exp(logits[j]) for j in partners]
        left = numbers[i, 1].item() * sum(weights)
        j = next(j for j, reached in zip(partners, itertools.accumulate(weights), strict=True) if left < reached)
        matches.append((own, j, 0) if numbers[i, 0] < 0.5 else (j, own, 0))
    return matches


@pytest.mark.parametrize("seed", range(6))
def test_matches_equal_loop(seed):
    m, first, total = 6, 3, 14
    text_logits, video_logits = (uniform(m, total, seed=seed + k) * 8 for k in (10, 20))
    negative = uniform(m, total, seed=seed + 30) < 0.4
    negative[0] = False
    half = uniform(m, seed=seed + 40) < 0.7
    half[:2] = True
    numbers = uniform(m, 2, seed=seed + 50)
    own = torch.arange(first, first + m)
    matches = match_rows(text_logits, video_logits, negative, half, numbers, own)
    expected = naive_matches(text_logits, video_logits, negative, half, numbers, first)
    assert list(zip(*(part.tolist() for part in matches), strict=True)) == expected
    assert matches.label[0] == 1  # asked to be taken apart, but nothing may take its partner's place


def test_what_may_be_a_positive_is_never_a_hard_negative():
    """Not even where it is by far the most similar."""
    text, video = uniform(20, 4, seed=1), uniform(20, 4, seed=2)
    verbs, nouns = uniform(20, 3, seed=3) < 0.4, uniform(20, 3, seed=4) < 0.4
    pairs = egonce_pairs(verbs, nouns)
    for seed in range(20):
        matches = match_rows(
            cosines(text, video) / 0.05,
            cosines(video, text) / 0.05,
            pairs.negative,
            torch.ones(20, dtype=torch.bool),
            uniform(20, 2, seed=seed),
        )
        apart = matches.label == 0
        assert apart.any()
        assert pairs.negative[matches.text[apart], matches.video[apart]].all()
        assert torch.equal(matches.text[~apart], matches.video[~apart])


def test_draw_follows_the_weights():
    weight = torch.tensor([[0.0, 1.0, 3.0, 0.0]]).expand(4000, 4)
    drawn = draw(weight, uniform(4000))
    assert drawn.unique().tolist() == [1, 2]
    assert (drawn == 2).float().mean().item() == pytest.approx(0.75, abs=0.03)
    assert draw(weight[:1], torch.tensor([1 - 1e-17])).item() == 2
