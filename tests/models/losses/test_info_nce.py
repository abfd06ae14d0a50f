"""InfoNCE is cross-entropy in both directions."""

import pytest
import torch

from egocurate.models.losses.info_nce import info_nce
from tests.models.losses.loops import random_batch

torch.set_num_threads(1)


def test_info_nce_is_cross_entropy_both_ways():
    text, video, *_ = random_batch(0)
    scores = torch.cosine_similarity(text[:, None], video[None], dim=2) / 0.05
    target = torch.arange(len(text))
    expected = torch.nn.functional.cross_entropy(scores, target) + torch.nn.functional.cross_entropy(scores.T, target)
    assert info_nce(text, video).item() == pytest.approx(expected.item(), rel=1e-5)
