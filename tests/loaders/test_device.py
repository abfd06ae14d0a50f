import io
import warnings

import av
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from egocurate.errors import InputError
from egocurate.loaders.batch import Clip, collate, multi_hot
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.crops import View, crop_and_resize, random_view
from egocurate.loaders.decode_clip import decode_clip
from egocurate.loaders.device import IMAGENET_MEAN, IMAGENET_STD, crop, normalize, prefetch
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.shards.video.decode import load
from egocurate.shards.video.decoder_protocol import DecodeError

ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")]
DEVICES = ["cpu", pytest.param("cuda", marks=ON_GPU)]


def batches(count):
    for n in range(count):
        clip = Clip(torch.full((2, 3, 64, 64), n, dtype=torch.uint8), str(n), [n % 3], [], n)
        batch = collate([clip, clip], [None, clip], 3, 2)
        yield batch.pin_memory() if torch.cuda.is_available() else batch


def test_prefetch_to_a_gpu_that_is_not_there_is_one_line():
    place = f"cuda:{torch.cuda.device_count()}" if torch.cuda.is_available() else "cuda"
    with pytest.raises(InputError, match=f"batches cannot go to {place}: torch sees .*; take cpu"):
        prefetch(batches(1), place)


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
def test_normalize_is_imagenets(device):
    frames = torch.randint(0, 256, (2, 4, 3, 8, 8), dtype=torch.uint8, device=device)
    got = normalize(frames)
    for channel in range(3):
        expected = (frames[:, :, channel] / 255 - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        torch.testing.assert_close(got[:, :, channel], expected, rtol=1e-5, atol=1e-5)
    assert normalize(frames, torch.bfloat16).dtype == torch.bfloat16


def test_collate_puts_negatives_after_anchors():
    batch = next(batches(1))
    assert batch.valid.tolist() == [True, True, False, True]
    assert len(batch) == 4 and batch.frames.shape == (4, 2, 3, 64, 64)
    assert batch.frames.permute(0, 1, 3, 4, 2).is_contiguous()  # channels last, as they were decoded
    alone = collate([Clip(torch.zeros(1, 3, 2, 2, dtype=torch.uint8), "a", [], [1], 9)], None, 0, 2)
    assert alone.verbs.shape == (1, 0) and alone.nouns.tolist() == [[False, True]] and alone.valid.tolist() == [True]


def is_shared_in_worker(numbers):
    sizes = (8, 8) if numbers[0] == 0 else (8, 6)
    clips = [Clip(torch.full((2, 3, size, 8), 7, dtype=torch.uint8), "", [], [], 0) for size in sizes]
    frames = collate(clips, None, 1, 1).frames
    return frames.is_shared(), frames


def test_a_worker_collates_where_the_trainer_will_see_it():
    alone = is_shared_in_worker([0])[1]
    found = list(DataLoader(range(2), batch_size=1, num_workers=1, collate_fn=is_shared_in_worker))
    assert [shared for shared, _ in found] == [True, True]
    assert torch.equal(found[0][1], alone) and not is_shared_in_worker([0])[0]
    assert found[1][1][0].eq(7).all() and found[1][1][1].sum() == 7 * 2 * 3 * 6 * 8


def test_multi_hot_is_the_classes_of_each_row():
    assert multi_hot([[], [2, 0], [1, 1]], 3).tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
    with pytest.raises(IndexError):
        multi_hot([[3]], 3)


SIZES = [(48, 64), (64, 48), (40, 72)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [16, 40, 100])  # smaller than the views, between, larger
def test_crop_on_the_device_is_the_hosts_to_the_bit(device, size):
    clips, expected = [], []
    for n in range(24):
        height, width = SIZES[n % 3]
        frames = torch.randint(0, 256, (2, 3, height, width), dtype=torch.uint8)
        view = random_view(generator(0, 0, Purpose.VIEW, n), height, width, scale=(0.1, 1.0), flip=True)
        view = View(0, 0, height, width, flip=True) if n == 0 else view
        clips.append(Clip(frames, "", [], [], n, view))
        expected.append(crop_and_resize(frames, view, size))
    batch = collate(clips, None, 1, 1).to(device)
    assert batch.frames.shape == (24, 2, 3, 64, 72)
    assert {bool(flip) for flip in batch.views[:, 4]} == {False, True}
    got = crop(batch.frames, batch.views, size)
    assert got.dtype == torch.uint8 and got.device.type == device
    assert torch.equal(got.cpu(), torch.stack(expected))
    with torch.autocast(device, torch.bfloat16):  # as in a trainer's step; in ranks of other sizes
        halves = [crop(batch.frames[part], batch.views[part], size) for part in (slice(5), slice(5, None))]
    assert torch.equal(torch.cat(halves), got)


@pytest.mark.parametrize("device", DEVICES)
def test_crop_at_its_own_size_is_a_copy(device):
    frames = torch.randint(0, 256, (2, 3, 3, 20, 30), dtype=torch.uint8)
    views = torch.tensor([[4, 5, 12, 12, 0], [8, 18, 12, 12, 1]])
    got = crop(frames.to(device), views, 12).cpu()
    assert torch.equal(got[0], frames[0, ..., 4:16, 5:17]) and torch.equal(got[1], frames[1, ..., 8:20, 18:30].flip(-1))


def test_a_stream_that_leaves_the_crop_to_the_device_shows_the_same_clips(shards):
    host, bare = (
        stream(shards, batch_size=8, frames=2, size=24, workers=0, crop=where).epoch(0) for where in ("host", "device")
    )
    ranks = [
        stream(shards, batch_size=8, frames=2, size=24, workers=0, crop="device", rank=rank, world=2).epoch(0)
        for rank in range(2)
    ]
    for expected, batch, first, second in zip(host, bare, *ranks, strict=True):
        assert torch.equal(batch.sample, expected.sample) and expected.views is None
        assert torch.equal(crop(batch.frames, batch.views, 24), expected.frames)
        # Anchors, then negatives, of each rank: the views are those of one rank that reads all.
        shared = torch.cat([first.views[:4], second.views[:4], first.views[4:], second.views[4:]])
        assert torch.equal(shared, batch.views)
    with pytest.raises(InputError, match="neither host nor device"):
        stream(shards, batch_size=8, crop="gpu")


def video(count=6, size=(128, 96)):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        out = container.add_stream("libx264", rate=8)
        out.width, out.height, out.pix_fmt = *size, "yuv420p"
        for i in range(count):
            ramp = np.add.outer(np.arange(size[1]), np.arange(size[0]))[..., None] + np.array([0, 40, 90]) + 20 * i
            container.mux(out.encode(av.VideoFrame.from_ndarray((ramp // 2).clip(0, 255).astype(np.uint8))))
        container.mux(out.encode(None))
    return buffer.getvalue()


def test_without_nvdec_the_host_decodes_and_one_line_says_so():
    wanted = np.array([4, 1, 1])
    if torch.cuda.is_available():
        with warnings.catch_warnings(record=True):
            got = decode_clip(video(), wanted, device="cuda")
        assert got.device.type == "cuda"
        assert (got.cpu().int() - decode_clip(video(), wanted).int()).abs().float().mean() < 4
        return
    with pytest.warns(UserWarning, match=r"^the GPU does not decode, the host does \(torch sees no GPU\)$"):
        got = decode_clip(video(), wanted, device="cuda")
    assert torch.equal(got, decode_clip(video(), wanted))
    with pytest.raises(DecodeError, match=r"\S"):
        decode_clip(b"no video", wanted, device="cuda")


def test_a_torchcodec_without_nvdec_says_so(monkeypatch):
    """As on a machine with a GPU whose torchcodec was built for none."""
    if load("torchcodec").frames is None:
        pytest.skip(f"torchcodec does not load here: {load('torchcodec').note}")
    wanted, host = np.array([0, 3]), decode_clip(video(), np.array([0, 3]))
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: self)
    with pytest.warns(UserWarning, match="the host does \\(torchcodec: .+\\)$") as caught:
        assert torch.equal(decode_clip(video(), wanted, device="cuda"), host)
    assert "\n" not in str(caught[0].message)
