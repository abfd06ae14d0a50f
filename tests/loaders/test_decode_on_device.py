"""decode="device": workers hand over files, the trainer's side decodes them; the tensors are those of the host."""

import io
import json
import logging
import re
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from egocurate.loaders import clip_stream, device
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.decoding import gpu_decoder as gpu
from egocurate.loaders.decoding.decode_batch import at_once
from egocurate.loaders.decoding.device_decoder import HostDecoder
from egocurate.loaders.decoding.encoded_frames import encoded_frames
from egocurate.loaders.device import prefetch
from egocurate.loaders.headspace import Headspace
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_encoded import EncodedClip, decode_encoded, read_encoded
from egocurate.shards.read.read_frames import read_frames
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards
from tests.loaders.test_device import video

SETTINGS = {"batch_size": 8, "frames": 3, "size": 24, "decode": "device"}


@pytest.fixture(scope="module")
def pictures(shards, clip_table, tmp_path_factory):
    """Shards of some of the clips, a JPEG for each frame."""
    out = tmp_path_factory.mktemp("pictures") / "fast"
    videos = {f"video{n}": VideoFile(shards.parent / f"video{n}.mp4") for n in range(2)}
    clips = clip_table.filter([uid in videos for uid in clip_table["video_uid"].to_pylist()])
    job = ShardJob(clips, videos, out, profile("fast"), clips_per_shard=10, num_verbs=11, num_nouns=7)
    assert write_shards(job).failed == 0
    return out


AS_FILES = pytest.mark.parametrize("folder", [pytest.param("train", marks=pytest.mark.slow), "fast"], indirect=True)


@pytest.fixture(params=["train", "fast"])
def folder(request, shards):
    return shards if request.param == "train" else request.getfixturevalue("pictures")


def open_stream(folder, decoder=None, **changes):
    data = stream(folder, **(SETTINGS | changes))
    if decoder is not None:
        data.decode_with(decoder)
    return data


def assert_equal(found, expected):
    assert found.encoded is None and found.views is None and found.texts == expected.texts
    for name in ("frames", "verbs", "nouns", "valid", "sample", "source"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name


class Damaged(HostDecoder):
    """Decodes all but every third clip, by the bytes of it."""

    def decode(self, clips):
        return [
            "damaged" if len(clip.files[0]) % 3 == 0 else found
            for clip, found in zip(clips, super().decode(clips), strict=True)
        ]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_has_the_hosts_tensors(folder, workers):
    decoded = list(open_stream(folder, HostDecoder(), workers=workers).epoch(0))
    expected = list(open_stream(folder, decode="host", workers=workers).epoch(0))
    assert len(decoded) == len(expected) > 2
    for found, own in zip(decoded, expected, strict=True):
        assert_equal(found, own)
        assert found.frames.stride() == own.frames.stride()


@AS_FILES
def test_what_workers_send_are_files(folder):
    data = open_stream(folder, HostDecoder(), workers=1)
    batches = data.epoch(0)
    batch = batches.pull_encoded()
    assert batch.frames.numel() == 0 and batch.encoded is not None and len(batch.encoded.anchors) == 8
    assert batch.encoded.data.nbytes < 16 * 3 * 96 * 128 * 3 / 4
    assert_equal(batches.decode(batch), next(open_stream(folder, decode="host").epoch(0)))


@pytest.mark.slow
def test_it_goes_on_in_the_middle_and_over_ranks(folder):
    expected = list(open_stream(folder, decode="host", workers=0).epoch(0))
    data = open_stream(folder, HostDecoder(), workers=1)
    batches = prefetch(data.epoch(0), "cpu")
    next(batches), next(batches)
    state = data.state_dict()
    assert state == {**open_stream(folder, decode="host").state_dict(), "step": 2}
    ranks = [open_stream(folder, HostDecoder(), workers=1, rank=rank, world=2) for rank in range(2)]
    for rank in ranks:
        rank.load_state_dict(state)
    first, second = (next(iter(rank)) for rank in ranks)
    rows = torch.cat([first.frames[:4], second.frames[:4], first.frames[4:], second.frames[4:]])
    assert torch.equal(rows, expected[2].frames)


@pytest.mark.slow
def test_a_mixture_of_both_kinds(shards, pictures):
    settings = {"weights": [1, 1], "workers": 1}
    for found, own in zip(
        open_stream([shards, pictures], HostDecoder(), **settings),
        open_stream([shards, pictures], decode="host", **settings),
        strict=True,
    ):
        assert_equal(found, own)
        assert len(set(found.source.tolist())) == 2


@pytest.mark.slow
def test_what_the_device_does_not_decode_the_host_does(folder, caplog):
    data = open_stream(folder, Damaged(), workers=1)
    for found, own in zip(data, open_stream(folder, decode="host"), strict=True):
        assert_equal(found, own)
    assert not data.bad
    assert [r.message for r in caplog.records] == ["what the device does not decode, the host does (damaged)"]


@pytest.fixture
def undecodable(shards, tmp_path):
    """Copy the shards with some clips that are no video, though their bytes are those that were written."""
    out = tmp_path / "undecodable"
    out.mkdir()
    for path in shards.iterdir():
        (out / path.name).write_bytes(path.read_bytes())
    index, bad = ShardIndex.open(out), [3, 17, 40, 41]
    sums = [list(index.crc32(sample)) for sample in range(len(index))]
    for number, sample in enumerate(bad):
        row = index.row(sample)
        offset, size = row.video_span
        junk = bytes(size) if number % 2 else index.read_video(sample)[: size // 2] + bytes(size - size // 2)
        with row.shard_path.open("r+b") as file:
            file.seek(offset)
            file.write(junk)
        sums[sample][1] = zlib.crc32(junk)
    table = pq.read_table(out / "index.parquet")
    place = table.schema.get_field_index("crc32")
    table = table.set_column(place, table.schema.field(place), pa.array(sums, pa.list_(pa.int64())))
    pq.write_table(table, out / "index.parquet")
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["index"]  # as in folders that do not tell
    (out / "manifest.json").write_text(json.dumps(manifest))
    return out, bad


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_bad_clips_are_replaced_as_on_the_host(undecodable, workers):
    folder, bad = undecodable
    decoded, host = (open_stream(folder, *how, workers=workers) for how in ((HostDecoder(),), ()))
    for _ in range(2):
        for found, own in zip(decoded, host, strict=True):
            assert_equal(found, own)
    assert sorted(decoded.bad) == sorted(host.bad) == bad
    assert {str(sample) for sample in decoded.bad.values()} == {str(sample) for sample in host.bad.values()}


def test_too_many_bad_clips_end_the_run_as_on_the_host(undecodable):
    folder, _ = undecodable
    said = []
    for how in ((HostDecoder(),), ()):
        with pytest.raises(clip_stream.InputError, match="samples do not decode, max_bad is 1") as error:
            list(open_stream(folder, *how, workers=0, max_bad=1))
        said.append(str(error.value))
    assert said[0] == said[1]


@AS_FILES
def test_without_a_gpu_the_hosts_workers_decode_and_one_line_says_so(folder, caplog):
    clip_stream._say_once.cache_clear()
    data = open_stream(folder, workers=1)
    batches = prefetch(data.epoch(0), "cpu")
    assert_equal(next(batches), next(open_stream(folder, decode="host").epoch(0)))
    assert data._loader.dataset.sets[0].config.decode == "host"
    next(prefetch(open_stream(folder, workers=0).epoch(0), "cpu"))
    line = "decode=device: batches go to the cpu, not to a GPU; the host decodes"
    assert [r.message for r in caplog.records if r.levelno >= logging.WARNING] == [line]
    caplog.clear()
    next(open_stream(folder, workers=0).epoch(0))
    assert "needs loaders.prefetch(batches, device), which says where" in caplog.text


def fake_cuda(monkeypatch, *, torchvision=None, nvdec=None):
    """Stand-ins for torch's GPU and for what decodes there; frames stay on the CPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: None)
    for context in ("stream", "device"):
        monkeypatch.setattr(torch.cuda, context, lambda _: torch.no_grad())
    io = SimpleNamespace(decode_jpeg=torchvision, ImageReadMode=SimpleNamespace(RGB="RGB"))
    if torchvision is not None:
        monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(io=io))
        monkeypatch.setitem(sys.modules, "torchvision.io", io)
    else:
        monkeypatch.setitem(sys.modules, "torchvision", None)
        monkeypatch.setitem(sys.modules, "torchvision.io", None)
    if nvdec is not None:
        monkeypatch.setattr(gpu, "by_nvdec", nvdec)


def decode_jpeg(files, mode, device):
    """Decode as torchvision does: a list of pictures [3, H, W], or an error for all if one is broken."""
    assert mode == "RGB" and device.type == "cuda"
    if any(bytes(file.numpy())[:2] != b"\xff\xd8" for file in files):
        raise RuntimeError("nvjpegDecodeBatched failed\nmore")
    return [torch.from_numpy(decode_pictures([bytes(file.numpy())])[0]).permute(2, 0, 1) for file in files]


def nvdec(data, indices, device):
    assert device == "cuda:0"
    return torch.from_numpy(decode_encoded(EncodedClip([data], True, indices, (0, 0)))).permute(0, 3, 1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("crop_as", ["host", "device"])
def test_a_gpu_decodes_what_the_host_does(folder, monkeypatch, crop_as):
    """All but the engines themselves, which are stand-ins; the crop of a device is the host's to a level."""
    fake_cuda(monkeypatch, torchvision=decode_jpeg, nvdec=nvdec)
    decoder = gpu.gpu_decoder(torch.device("cuda:0"), [ShardIndex.open(folder)])
    assert isinstance(decoder, gpu.GpuDecoder)
    data = open_stream(folder, decoder, workers=1)
    # The stand-ins' frames are on the CPU: so is the batch.
    decoder.device = torch.device("cpu")
    monkeypatch.setattr(decoder, "_pictures", lambda clips, own=decoder._pictures: on_cuda(decoder, own, clips))
    monkeypatch.setattr(decoder, "_video", lambda clip, _: nvdec(bytes(clip.files[0]), clip.indices, "cuda:0"))
    if crop_as == "device":
        monkeypatch.setattr(
            "egocurate.loaders.decoding.decode_batch.crop_and_resize",
            lambda frames, view, size: device.crop(frames[None], torch.tensor([vars_of(view)]), size)[0],
        )
    for found, own in zip(data, open_stream(folder, decode="host"), strict=True):
        apart = (found.frames.int() - own.frames.int()).abs().max()
        assert apart <= (1 if crop_as == "device" else 0)
        assert torch.equal(found.sample, own.sample)


def on_cuda(decoder, pictures, clips):
    decoder.device = torch.device("cuda:0")
    try:
        return pictures(clips)
    finally:
        decoder.device = torch.device("cpu")


def vars_of(view):
    return [view.top, view.left, view.height, view.width, int(view.flip)]


def test_one_broken_picture_costs_its_own_clip(pictures, monkeypatch):
    fake_cuda(monkeypatch, torchvision=decode_jpeg)
    index = ShardIndex.open(pictures)
    clips = [read_encoded(index, sample, np.array([2, 0, 2])) for sample in range(3)]
    clips[1] = EncodedClip([b"RIFF....", clips[1].files[1]], False, clips[1].indices, clips[1].size)
    first, broken, last = gpu.GpuDecoder(torch.device("cuda:0")).decode(clips)
    assert broken == "torchvision: nvjpegDecodeBatched failed"
    for sample, found in ((0, first), (2, last)):
        expected = read_frames(index, sample, np.array([2, 0, 2]))
        assert np.array_equal(found.permute(0, 2, 3, 1).numpy(), expected)


@pytest.mark.parametrize(
    ("kind", "missing", "reason"),
    [
        ("fast", {}, "torchvision is not installed"),
        ("fast", {"torchvision": lambda *_, **__: torch.ops.image.gone()}, "torchvision: .*image.* has no attribute"),
        ("train", {"nvdec": lambda *_: "torchcodec: not installed"}, "torchcodec: not installed"),
    ],
)
def test_a_gpu_that_cannot_says_what_is_missing(kind, missing, reason, shards, pictures, monkeypatch):
    fake_cuda(monkeypatch, **missing)
    index = ShardIndex.open(shards if kind == "train" else pictures)
    found = gpu.gpu_decoder(torch.device("cuda:0"), [index])
    assert isinstance(found, str) and "\n" not in found
    assert re.match(reason, found), found


def test_a_first_clip_that_nobody_decodes_is_not_the_gpus_fault(undecodable, monkeypatch):
    folder, bad = undecodable
    fake_cuda(monkeypatch, nvdec=lambda *_: "torchcodec: no frames")
    index = ShardIndex.open(folder)
    monkeypatch.setattr(gpu, "read_encoded", lambda index, _, places: read_encoded(index, bad[1], places))
    assert isinstance(gpu.gpu_decoder(torch.device("cuda:0"), [index]), gpu.GpuDecoder)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("kind", ["mp4", "jpg"])
def test_a_real_gpu_decodes_what_the_host_does(kind):
    if kind == "mp4":
        clips = [EncodedClip([video(size=size)], True, np.array([4, 1, 1]), size[::-1]) for size in SIZES]
    else:
        clips = [EncodedClip([jpeg(size, 1), jpeg(size, 4)], False, np.array([4, 1, 4]), size[::-1]) for size in SIZES]
    device = torch.device("cuda", torch.cuda.current_device())
    for clip, found in zip(clips, gpu.GpuDecoder(device).decode(clips), strict=True):
        if isinstance(found, str):
            pytest.skip(found)
        assert found.device == device and tuple(found.shape) == (3, 3, *clip.size)
        own = torch.from_numpy(decode_encoded(clip)).permute(0, 3, 1, 2)
        assert (found.cpu().int() - own.int()).abs().float().mean() < 4


SIZES = [(160, 128), (256, 192)]  # width, height


def jpeg(size, number):
    """A picture whose colors run over it."""
    ramp = np.add.outer(np.arange(size[1]), np.arange(size[0]))[..., None] // 2 + np.array([0, 30, 60]) + number
    file = io.BytesIO()
    Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def test_few_clips_are_decoded_at_once():
    clip = EncodedClip([b""], True, np.arange(2), (10, 10))  # 600 bytes of frames
    rows = list(at_once([clip] * 5, most_bytes=1300))
    assert rows == [[0, 1], [2, 3], [4]]
    assert list(at_once([clip] * 2, most_bytes=1)) == [[0], [1]]
    assert list(at_once([])) == []


def test_files_arrive_as_they_were(shards, pictures):
    clips = [read_encoded(ShardIndex.open(folder), 5, np.array([1, 0])) for folder in (shards, pictures)]
    for found, own in zip(encoded_frames(clips).clips(), clips, strict=True):
        assert [bytes(file) for file in found.files] == [bytes(file) for file in own.files]
        assert (found.is_mp4, found.size, found.indices.tolist()) == (own.is_mp4, own.size, own.indices.tolist())


def test_one_ahead_moves_the_next_while_one_is_in_use():
    moved = []
    reading = device.one_ahead(iter(range(4)), lambda item: moved.append(item) or item * 10)
    assert next(reading) == 0
    assert next(reading) == 10 and moved[:2] == [0, 1]
    assert list(reading) == [20, 30] and moved == [0, 1, 2, 3]

    def fail(item):
        raise clip_stream.InputError("bad")

    with pytest.raises(clip_stream.InputError, match="bad"):
        next(device.one_ahead(iter([1]), fail))


@pytest.mark.slow
def test_prefetch_says_where_and_a_device_that_can_is_taken(folder, monkeypatch):
    asked = []
    monkeypatch.setattr(clip_stream, "gpu_decoder", lambda device, indexes: asked.append(device) or HostDecoder())
    data = open_stream(folder, workers=1)
    for epoch in range(2):
        for found, own in zip(prefetch(data, "cpu"), open_stream(folder, decode="host").epoch(0), strict=True):
            assert found.encoded is None and (epoch or torch.equal(found.frames, own.frames))
    assert asked == [torch.device("cpu")] and data.decodes_on_device
    assert data.state_dict()["epoch"] == 2


def test_headspace_decodes_once(folder):
    class Counting(HostDecoder):
        calls = 0

        def decode(self, clips):
            Counting.calls += 1
            return super().decode(clips)

    data = open_stream(folder, Counting(), workers=0)
    shown = list(prefetch(Headspace(data.epoch(0), cached=1), "cpu"))
    assert len(shown) == len(data) and Counting.calls == 1


@AS_FILES
def test_a_stream_that_is_given_a_decoder_has_whole_batches_whatever_it_was_opened_for(folder):
    given = open_stream(folder, HostDecoder(), decode="host")
    assert_equal(next(given.epoch(0)), next(open_stream(folder, decode="host").epoch(0)))
