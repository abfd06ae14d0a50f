import pytest
import torch

from loaders.collate import Clip, collate, multi_hot
from loaders.device import IMAGENET_MEAN, IMAGENET_STD, normalise, prefetch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def batches(count):
    for n in range(count):
        clip = Clip(torch.full((2, 3, 64, 64), n, dtype=torch.uint8), str(n), [n % 3], [], n)
        batch = collate([clip, clip], [None, clip], 3, 2)
        yield batch.pin_memory() if torch.cuda.is_available() else batch


@pytest.mark.parametrize("device", DEVICES)
def test_prefetch_hands_on_every_batch_unchanged(device):
    expected = list(batches(7))
    got = []
    for batch in prefetch(batches(7), device):
        assert batch.frames.device.type == device
        # Work on the batch, so that a copy that comes too early or too late would show.
        got.append((batch.frames.float().mean() + torch.zeros(512, 512, device=device).sum(), batch))
    assert len(got) == 7
    for (mean, batch), own in zip(got, expected, strict=True):
        assert mean.item() == own.frames.float().mean()
        assert torch.equal(batch.sample.cpu(), own.sample) and batch.texts == own.texts
    assert list(prefetch(batches(0), device)) == []


def test_prefetch_reads_no_further_than_one_ahead_on_cuda_and_none_on_cpu():
    taken = []
    source = (taken.append(n) or batch for n, batch in enumerate(batches(5)))
    reading = prefetch(source, "cpu")
    next(reading)
    assert taken == [0]


@pytest.mark.parametrize("device", DEVICES)
def test_normalise_is_imagenets(device):
    frames = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8, device=device)
    got = normalise(frames)
    for channel in range(3):
        expected = (frames[:, :, channel] / 255 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        torch.testing.assert_close(got[:, :, channel], expected, rtol=1e-5, atol=1e-5)
    assert normalise(frames, torch.bfloat16).dtype == torch.bfloat16


def test_collate_puts_negatives_after_anchors():
    batch = next(batches(1))
    assert batch.valid.tolist() == [True, True, False, True]
    assert len(batch) == 4 and batch.frames.shape == (4, 2, 3, 64, 64) and batch.frames.is_contiguous()
    alone = collate([Clip(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), "a", [], [1], 9)], None, 0, 2)
    assert alone.verbs.shape == (1, 0) and alone.nouns.tolist() == [[False, True]] and alone.valid.tolist() == [True]


def test_multi_hot_is_the_classes_of_each_row():
    assert multi_hot([[], [2, 0], [1, 1]], 3).tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
    with pytest.raises(IndexError):
        multi_hot([[3]], 3)
