"""Erasing and mixing: the boxes, the shares and the pairs, and that a split batch is mixed as the whole one is."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from egocurate.errors import InputError
from egocurate.training.augment.erasing import DRAWS, Box, box_of, erase
from egocurate.training.augment.mixing import Mixing, beta, check_pairs, draw_mixing, neighbors


def test_boxes_are_of_the_published_shares_and_in_the_picture():
    rows = np.random.default_rng(0).random((4000, DRAWS))
    boxes = [box_of(row, 0.25, 60, 80) for row in rows]
    drawn = [box for box in boxes if box]
    assert len(drawn) / len(boxes) == pytest.approx(0.25, abs=0.02)
    for box in drawn:
        assert 0 <= box.top <= 60 - box.height
        assert 0 <= box.left <= 80 - box.width
        # Sides are whole pixels: half of one more or less of each.
        assert (box.height - 0.5) * (box.width - 0.5) / 4800 < 1 / 3
        assert (box.height + 0.5) * (box.width + 0.5) / 4800 > 0.02
        assert (box.height - 0.5) / (box.width + 0.5) < 1 / 0.3
        assert (box.height + 0.5) / (box.width - 0.5) > 0.3
    assert min(box.top for box in drawn) == min(box.left for box in drawn) == 0


def test_erased_is_noise_in_one_box_of_all_frames():
    draws = torch.rand(2, DRAWS, generator=torch.Generator().manual_seed(0))
    draws[:, 0] = torch.tensor([0.1, 0.9])
    frames = torch.full((2, 3, 3, 48, 48), 9.0)
    erased = erase(frames, draws, 0.25)
    assert torch.equal(erased[1], frames[1])
    changed = (erased[0] != 9.0).flatten(0, 1)
    assert torch.equal(changed.all(0), changed.any(0))
    box = box_of(draws[0].tolist(), 0.25, 48, 48)
    noise = erased[0][..., box.top : box.top + box.height, box.left : box.left + box.width]
    assert changed.any(0).sum() == box.height * box.width
    assert abs(noise.mean()) < 0.15
    assert abs(noise.std() - 1) < 0.15
    assert torch.equal(erase(frames[:1], draws[:1], 0.25), erased[:1])


@pytest.mark.parametrize("parameter", [0.8, 1.0])
def test_shares_have_the_distribution_that_is_said(parameter):
    rng = np.random.default_rng(1)
    shares = np.sort([beta(rng, parameter) for _ in range(3000)])
    middles = (np.arange(100_000) + 0.5) / 100_000
    density = (middles * (1 - middles)) ** (parameter - 1)
    wanted = np.interp(shares, middles, density.cumsum() / density.sum())
    assert np.abs(wanted - (np.arange(3000) + 0.5) / 3000).max() < 1.63 / 3000**0.5  # Kolmogorov's test at 1 %


def test_either_mixup_or_cutmix_happens_in_half_of_the_steps():
    rng = np.random.default_rng(0)
    drawn = [draw_mixing(rng, 0.8, 1.0, 32, 48) for _ in range(2000)]
    cut = [mixing for mixing in drawn if mixing.box]
    assert len(cut) / len(drawn) == pytest.approx(0.5, abs=0.05)
    for mixing in cut:
        box = mixing.box
        assert mixing.share == 1 - box.height * box.width / (32 * 48)
        assert box.top + box.height <= 32
        assert box.left + box.width <= 48
    assert all(mixing.box is None for mixing in (draw_mixing(rng, 0.8, 0, 32, 32) for _ in range(20)))
    assert all(mixing.box for mixing in (draw_mixing(rng, 0, 1.0, 32, 32) for _ in range(20)))


def test_pairs_are_mixed_by_the_share_or_in_the_box():
    frames = torch.arange(4.0).reshape(4, 1, 1, 1, 1).expand(4, 2, 3, 4, 4)
    assert Mixing(0.75).frames(frames)[:, 0, 0, 0, 0].tolist() == [0.25, 0.75, 2.25, 2.75]
    mixed = Mixing(0.75, Box(1, 2, 2, 2)).frames(frames)
    expected = frames.clone()
    expected[..., 1:3, 2:4] = frames[[1, 0, 3, 2]][..., 1:3, 2:4]
    assert torch.equal(mixed, expected)
    parts = [Mixing(0.75).frames(part) for part in frames.split(2)]
    assert torch.equal(torch.cat(parts), Mixing(0.75).frames(frames))
    with pytest.raises(InputError, match="in pairs, and a rank's micro-batch has 3"):
        check_pairs(3)


def test_the_loss_of_mixed_labels_is_that_of_the_mixed_target():
    scores, labels = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 3, 5, 6])
    share, smoothing = 0.3, 0.1
    hot = F.one_hot(labels, 7).double() * (1 - smoothing) + smoothing / 7
    target = share * hot + (1 - share) * hot[[1, 0, 3, 2]]
    expected = -(target * scores.double().log_softmax(1)).sum()
    both = [F.cross_entropy(scores, y, label_smoothing=smoothing, reduction="sum") for y in (labels, neighbors(labels))]
    torch.testing.assert_close(share * both[0] + (1 - share) * both[1], expected.float())
