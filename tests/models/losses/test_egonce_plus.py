"""EgoNCE++: what altered texts do."""

import torch

from egocurate.models.losses.egonce_plus import egonce_plus
from tests.models.losses.loops import random_batch

torch.set_num_threads(1)


def test_altered_texts_push_their_own_clip_alone():
    text, video, _, nouns, _ = random_batch(4)
    altered = torch.randn(10, 2, 7, dtype=torch.float64, requires_grad=True)
    video.requires_grad_()
    plain = egonce_plus(text, video, altered[:, :0], nouns)
    with_altered = egonce_plus(text, video, altered, nouns)
    assert with_altered > plain
    (difference,) = torch.autograd.grad(egonce_plus(text, video, altered[:3], nouns, rows=slice(0, 3)), altered)
    assert (difference[:3] != 0).any(-1).all() and (difference[3:] == 0).all()


def test_altered_texts_that_do_not_count_change_nothing():
    text, video, _, nouns, _ = random_batch(4)
    altered = torch.randn(10, 3, 7, dtype=torch.float64)
    counts = torch.ones(10, 3, dtype=torch.bool)
    counts[:, 2] = False
    assert egonce_plus(text, video, altered, nouns, None, counts) == egonce_plus(text, video, altered[:, :2], nouns)
    none = torch.zeros_like(counts)
    torch.testing.assert_close(
        egonce_plus(text, video, altered, nouns, None, none), egonce_plus(text, video, altered[:, :0], nouns)
    )
