"""The max-margin loss and its adaptive form."""

import pytest
import torch

from egocurate.models.losses.max_margin import max_margin
from tests.models.losses.loops import random_batch

torch.set_num_threads(1)


def test_adaptive_margin_of_one_is_the_plain_form():
    text, video, *_ = random_batch(2)
    assert max_margin(text, video).item() == pytest.approx(max_margin(text, video, torch.ones(10)).item())
    assert max_margin(text, video).item() != pytest.approx(max_margin(text, video, torch.full((10,), 0.5)).item())
