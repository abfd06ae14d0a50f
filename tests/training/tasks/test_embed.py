"""The one loop that decodes and embeds clips: each clip once, failures by place, the same for any workers."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.tasks.embed import Embedder, decode_batches


class Clips(Dataset):
    """Clip i is of brightness i; every fourth does not decode."""

    def __len__(self):
        return 10

    def __getitem__(self, place):
        return f"clip {place} is damaged" if place % 4 == 3 else torch.full((2, 3, 4, 4), place, dtype=torch.uint8)


class Brightness(System):
    """Embeds a clip by its brightness."""

    embedding = 2

    def __init__(self):
        self.model = nn.Identity()

    def losses(self, network, batch, step_rng):
        raise NotImplementedError

    def embed_clips(self, frames):
        brightness = frames.float().mean(dim=(1, 2, 3, 4))
        return torch.stack([brightness, torch.ones_like(brightness)], dim=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_clips_that_decode_and_reasons_for_the_others(workers):
    batches = [np.array([0, 1, 3]), np.array([7, 3]), np.array([9])]
    first, second, third = decode_batches(Clips(), batches, workers)
    assert first.places.tolist() == [0, 1]
    assert first.frames[:, 0, 0, 0, 0].tolist() == [0, 1]
    assert first.failures == {3: "clip 3 is damaged"}
    assert len(second.places) == 0
    assert second.failures == {7: "clip 7 is damaged", 3: "clip 3 is damaged"}
    assert third.places.tolist() == [9]
    assert third.failures == {}


def test_decoding_draws_no_random_numbers_of_training():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    list(decode_batches(Clips(), [np.arange(10)], 0))
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("at_once", [1, 3, 64])
def test_each_clip_is_embedded_once_and_failures_are_named(at_once):
    reports = []
    embedder = Embedder(Brightness(), Ranks(0, 1, torch.device("cpu"), False), workers=0, clips_at_once=at_once)
    rows, failures = embedder.clips(Clips(), "clips", lambda *report: reports.append(report))
    expected = torch.tensor([[float(place), 1.0] for place in range(10)])
    expected[[3, 7]] = 0
    torch.testing.assert_close(rows, nn.functional.normalize(expected, dim=1))
    assert failures == {3: "clip 3 is damaged", 7: "clip 7 is damaged"}
    assert reports[-1] == ("clips", 10, 10)
