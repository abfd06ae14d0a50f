"""The detector of moments: padding, which places stand for which moment, and its losses."""

import numpy as np
import pytest
import torch

from egocurate.models.localization.config import DetectorConfig
from egocurate.models.localization.detector import Found, MomentDetector, assign, detection_loss, grid

CONFIG = DetectorConfig(width=16, heads=2, levels=3, window=5, dropout=0.0)


def test_padding_changes_nothing():
    torch.manual_seed(0)
    model = MomentDetector(CONFIG, 6, 4)
    video = torch.randn(1, 8, 6)
    longer = torch.cat([video, torch.randn(1, 8, 6)], 1)
    alone = model(video, torch.ones(1, 8, dtype=torch.bool))
    padded = model(longer, torch.arange(16)[None] < 8)
    here = padded.seen[0]
    assert here.sum() == 8 + 4 + 2
    torch.testing.assert_close(padded.logits[0, here], alone.logits[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded.reach[0, here], alone.reach[0], atol=1e-5, rtol=1e-5)


def test_places_stand_for_moments_as_brute_force_says():
    draw = np.random.default_rng(0)
    at, stood = grid(64, CONFIG), 0
    for _ in range(10):
        start = draw.uniform(0, 50, 5)
        spans = torch.from_numpy(np.stack([start, start + draw.uniform(1, 14, 5)], 1)).float()
        which, reach = assign(at, spans, CONFIG.center_radius)
        for place, (middle, stride, (low, high)) in enumerate(zip(at.middle, at.stride, at.ends, strict=True)):
            fits = []
            for number, (first, last) in enumerate(spans):
                left, right = middle - first, last - middle
                near = abs(middle - (first + last) / 2) <= 1.5 * stride
                if left > 0 and right > 0 and near and low < max(left, right) <= high:
                    fits.append((float(last - first), number))
            assert which[place] == (min(fits)[1] if fits else -1)
            if fits:
                stood += 1
                torch.testing.assert_close(
                    reach[place], torch.stack([middle - spans[which[place], 0], spans[which[place], 1] - middle])
                )
    assert stood > 20


def test_a_right_answer_costs_nothing_and_a_wrong_one_much():
    at, spans = grid(16, CONFIG), torch.tensor([[2.0, 6.0], [8.0, 15.0]])
    which, reach = assign(at, spans, 1.5)
    labels = torch.tensor([1, 0])[which.clamp(min=0)].masked_fill(which < 0, -1)[None]
    right = torch.full((1, len(which), 2), -20.0)
    right[0, which == 0, 1] = right[0, which == 1, 0] = 20
    seen = torch.ones(1, len(which), dtype=torch.bool)
    assert (which >= 0).any()
    found = Found(right, reach[None].clamp(min=0.1), seen)
    assert detection_loss(found, labels, reach[None])["loss"] == pytest.approx(0, abs=1e-4)
    wrong = detection_loss(Found(-right, 2 * reach[None].clamp(min=0.1), seen), labels, reach[None])
    assert wrong["labels"] > 1 and wrong["ends"] == pytest.approx(0.5, abs=0.2)
