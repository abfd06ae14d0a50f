"""Every way to store a clip, from the cut to the frames a model sees."""

import io
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
import torch
from PIL import Image

from egocurate.loaders.clip_dataset import ClipDataset
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.decode_clip import read_clip
from egocurate.shards.profiles import PROFILES, Pictures
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.open_files import OpenFiles
from egocurate.shards.read.read_frames import BadSample
from egocurate.shards.video.clip_frames import FrameWindow, pick_frames
from egocurate.shards.video.decode import DECODERS, load
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.shards.write.write_shards import write_shards

CLIPS, FPS = 24, 8
HERE = [name for name in DECODERS if load(name).frames is not None]
LOWEST_PSNR = 20  # of pictures of colored noise; those a frame away lie near 12


@pytest.fixture(scope="module")
def folders(shards, clip_table, tmp_path_factory):
    """A shard folder for each named profile, of the same clips."""
    out = tmp_path_factory.mktemp("profiles")
    videos = {f"video{n}": VideoFile(shards.parent / f"video{n}.mp4") for n in range(2)}
    for name, profile in PROFILES.items():
        job = ShardJob(
            clip_table.slice(0, CLIPS),
            videos,
            out / name,
            profile,
            clips_per_shard=10,
            num_verbs=118,
            num_nouns=582,
        )
        assert write_shards(job).samples == CLIPS
    return out


@pytest.fixture
def source(shards):
    """Return the frames uint8 [N, 3, H, W] of a video that the clips are cut from."""

    def frames(uid):
        with av.open(str(shards.parent / f"{uid}.mp4")) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(pictures).transpose(0, 3, 1, 2)

    return frames


def psnr(first, second):
    return 10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2))


@pytest.mark.parametrize("name", PROFILES)
def test_frames_are_those_of_the_source_in_their_order(name, folders, source):
    index = ShardIndex.open(folders / name)
    for sample in (0, 7, CLIPS - 1):
        row = index.row(sample)
        pictures = source(row.video_uid)
        times = [Fraction(n, FPS) for n in range(len(pictures))]
        window = FrameWindow.of(row.clip_start, row.clip_end, PROFILES[name].fps)
        expected = pick_frames(times, Fraction(len(pictures), FPS), window)
        assert row.frame_count == len(expected) > 3
        frames = read_clip(index, sample, np.arange(row.frame_count), "auto").numpy()
        assert frames.shape == (row.frame_count, *pictures.shape[1:])
        for frame, number in zip(frames, expected, strict=True):
            near = [psnr(frame, pictures[other]) for other in range(max(0, number - 2), number + 3)]
            assert max(near) == psnr(frame, pictures[number]) > LOWEST_PSNR


@pytest.mark.parametrize("decoder", HERE)
@pytest.mark.parametrize("name", PROFILES)
def test_every_decoder_shows_the_same_of_every_profile(name, decoder, folders):
    index = ShardIndex.open(folders / name)
    for sample in range(0, CLIPS, 5):
        count = index.row(sample).frame_count
        whole = read_clip(index, sample, np.arange(count), "auto")
        for indices in ([count - 1], [0, count // 2, count - 1], [2, 2, 0]):
            frames = read_clip(index, sample, np.array(indices), decoder)
            assert torch.equal(frames, whole[indices])
            assert frames.dtype == torch.uint8 and frames.is_contiguous(memory_format=torch.channels_last)


def test_only_the_pictures_that_are_drawn_are_read(folders, monkeypatch):
    index = ShardIndex.open(folders / "fast")
    read, plain = [], OpenFiles.read
    monkeypatch.setattr(
        OpenFiles, "read", lambda self, path, size, offset: read.append(size) or plain(self, path, size, offset)
    )
    sizes = [size for _, size in index.spans(4)]
    read_clip(index, 4, np.array([1, 3, 3]), "auto")
    assert read == [sizes[2], sizes[4]] and sum(read) < sum(sizes) / 2


def test_a_damaged_picture_is_told_when_it_is_drawn(folders, tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    for path in (folders / "fast").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    index = ShardIndex.open(folder)
    offset, size = index.spans(5)[3]
    with index.row(5).shard_path.open("r+b") as file:
        file.seek(offset + size // 2)
        file.write(b"\1\2\3\4")
    assert isinstance(read_clip(index, 5, np.array([0, 1, 3]), "auto"), torch.Tensor)
    bad = read_clip(index, 5, np.array([0, 2]), "auto")
    assert isinstance(bad, BadSample) and bad.key == index.key(5) and "not those that were written" in str(bad)
    beyond = read_clip(index, 5, np.array([0, 99]), "auto")
    assert isinstance(beyond, BadSample) and "were asked for" in beyond.reason


def test_a_dataset_shows_pictures_and_videos_alike(folders):
    config = StreamConfig(frames=3, size=32, workers=0)
    kinds = {name: ClipDataset(ShardIndex.open(folders / name), config) for name in ("train", "fast")}
    for sample in range(0, CLIPS, 6):
        video, pictures = (kinds[name][1, sample].anchor for name in ("train", "fast"))
        assert (video.sample, video.text) == (pictures.sample, pictures.text)
        assert video.frames.shape == pictures.frames.shape == (3, 3, 32, 32)
        assert psnr(video.frames.numpy(), pictures.frames.numpy()) > LOWEST_PSNR


def picture(size, kind="JPEG"):
    file = io.BytesIO()
    Image.new("RGB", size, (10, 90, 200)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    "files",
    [[b""], [b"no picture"], [picture((16, 16))[:200]], [picture((16, 16)), picture((16, 8))], []],
    ids=["empty", "text", "cut", "sizes", "none"],
)
def test_what_are_no_pictures_of_a_clip_is_one_line(files):
    with pytest.raises(DecodeError) as error:
        decode_pictures(files)
    assert "\n" not in str(error.value)


def test_there_is_a_profile_of_each_kind_and_the_fast_one_costs_more_bytes(folders):
    kinds = {name: isinstance(known.codec, Pictures) for name, known in PROFILES.items()}
    assert kinds == {"train": False, "fast": True, "large": False, "small": False, "native": False}
    bytes_of = {name: ShardIndex.open(folders / name).manifest["bytes"] for name in ("small", "train", "fast")}
    assert all(bytes_of[less] < bytes_of[more] for less, more in pairwise(("small", "train", "fast")))
