"""Videos broken at the container and inside packets: each clip is what the video shows, or is given up, alone."""

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import av
import numpy as np
import pytest
import torch

import egocurate.shards.video.cut as cut_module
from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import BadVideo, DenseClips, spread_frames
from egocurate.shards.profiles import profile
from egocurate.shards.video.count_frames import count_frames
from egocurate.shards.video.cut import EncodedClip, Failure, cut_clips
from egocurate.shards.video.decode import DECODERS, decode_frames, load
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.shards.video.scaler import FrameScaler
from egocurate.storage.open_video import open_video, video_stream
from tests.fuzz.broken import broken_bytes
from tests.fuzz.harness import Target
from tests.shards.conftest import write_video
from tests.shards.video.test_frame_exact import NotedFrames, look

FRAMES, GROUP, GROUP_SEC = 75, 15, 0.5
CLOSED = {"preset": "veryfast", "g": GROUP, "keyint_min": GROUP, "sc_threshold": 0, "bf": 2}
HEVC = {"codec": "libx265", "preset": "ultrafast", "x265-params": "keyint=15:bframes=2:open-gop=0:log-level=none"}
VP9 = {"codec": "libvpx-vp9", "g": GROUP, "cpu-used": 8, "deadline": "realtime"}
KINDS = {
    "h264.mp4": CLOSED,
    "h264.mkv": CLOSED,
    "h264.ts": CLOSED,
    "hevc.mp4": HEVC,
    "vp9.webm": VP9,
    "vp8.webm": VP9 | {"codec": "libvpx"},
    "av1.mp4": {"codec": "libsvtav1", "preset": 12, "g": GROUP},
    "mpeg4.avi": {"codec": "mpeg4", "g": GROUP, "bf": 0, "b": "1M"},
    "mpeg2.mkv": {"codec": "mpeg2video", "g": GROUP, "bf": 0, "b": "1M"},
    "mjpeg.mov": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
}
WHOLE_PACKETS = [kind for kind in KINDS if not kind.endswith(".ts")]  # in a ts file other bytes stand between theirs
TELL_NOTHING = ("vp8.webm", "mpeg2.mkv", "mjpeg.mov")
"""Kinds whose decoders go on in damage without a word, with what they find in memory."""
WINDOWS = [(f"k{n}", 0.5 * n + 0.05, 0.5 * n + 0.45) for n in range(5)] + [("over", 0.3, 1.2), ("past", 2.3, 9.0)]


class Damage(NamedTuple):
    """A file of a kind, and which groups of pictures (by number) may show something else; None: any."""

    kind: str
    data: bytes
    groups: frozenset | None


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    where = tmp_path_factory.mktemp("videos")
    for kind, options in KINDS.items():
        write_video(where / kind, pts=range(FRAMES), size=(64, 48), **options)
    return where


def cut(path):
    """The looks of each clip's frames, None for one that was given up."""
    with mock.patch.object(cut_module, "clip_encoder", NotedFrames):
        clips = dict(cut_clips(path, WINDOWS, profile("train")))
    assert clips.keys() == {key for key, _, _ in WINDOWS}
    assert not any("\n" in one.detail for one in clips.values() if isinstance(one, Failure))
    return {key: one.members if isinstance(one, EncodedClip) else None for key, one in clips.items()}


def groups_of(key):
    """The groups of pictures in which the frames of a clip are."""
    _, start, end = next(window for window in WINDOWS if window[0] == key)
    return set(range(int(start / GROUP_SEC), int(min(end, 2.45) / GROUP_SEC) + 1))


def packets_of(path):
    """Where each packet stands in a file, its bytes, and the number of its group of pictures."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        spans = [(one.pos, bytes(one), int(one.pts * stream.time_base / GROUP_SEC + 1e-6)) for one in packets]
    file = path.read_bytes()
    return [(file.index(data, max(0, at)), len(data), group) for at, data, group in spans]


def broken_packets(rng, whole):
    """One or two packets with other bytes, each where it stands."""
    kind, file, places = whole
    data, groups = bytearray(file), set()
    for at, size, group in rng.sample(places, rng.choice((1, 1, 2))):
        groups.add(group)
        first, end = at + rng.randrange(size), at + size
        match rng.randrange(4):
            case 0:
                data[first] ^= 1 << rng.randrange(8)
            case 1:
                data[first] = rng.randrange(256)
            case 2:
                data[first:end] = rng.randbytes(end - first)
            case _:
                data[first:end] = bytes(end - first)
    return Damage(kind, bytes(data), frozenset(groups))


def broken_file(rng, whole):
    tokens = (b"moov", b"\x1a\x45\xdf\xa3", b"\x47", b"mdat", bytes(16))
    return Damage(whole[0], broken_bytes(rng, whole[1], tokens), None)


def make_cut(where: Path, level: str) -> Target:
    kinds = KINDS if level == "bytes" else WHOLE_PACKETS
    expected = {kind: cut(where / kind) for kind in kinds}
    assert all(None not in clips.values() for clips in expected.values())
    whole = [
        (kind, (where / kind).read_bytes(), packets_of(where / kind) if level == "packets" else ()) for kind in kinds
    ]

    def path_of(given):
        path = where / f"{level} {given.kind}"
        path.write_bytes(given.data)
        return path

    def read(given):
        found = cut(path_of(given))
        if not any(found.values()):
            raise InputError("every clip is given up")
        return found

    def right(given, found):
        other = [key for key in found if found[key] not in (None, expected[given.kind][key])]
        if given.groups is not None:
            # Some packets have the shape of the pixels of the whole video.
            other = [key for key in other if found[key][0].startswith("64x48 ")]
            return all(groups_of(key) & given.groups for key in other)
        looks = in_order(path_of(given)) if other and given.kind not in TELL_NOTHING else None
        return looks is None or all(set(found[key]) <= looks for key in other)

    broken = broken_packets if level == "packets" else broken_file
    return Target(f"videos cut, other {level}", whole, broken, read, right)


def in_order(path):
    """The looks of all frames that a file decodes to from its front, as stored; None if the decoder speaks of damage.

    What is shown after damage depends on where decoding began, and no codec's packets tell of every change.
    """
    with open_video(path) as container:
        stream = video_stream(container)
        stream.codec_context.thread_count = 1
        scaler, aspect = FrameScaler(profile("train"), left_half=False), Fraction(stream.sample_aspect_ratio or 1)
        try:
            frames = list(container.decode(stream))
        except av.error.FFmpegError:
            return None
        return None if any(one.is_corrupt for one in frames) else {look(scaler.scale(one, aspect)) for one in frames}


@pytest.mark.slow
def test_cutting_broken_files(videos, clean):
    clean(partial(make_cut, videos, "bytes"), 150, memory_gb=6)


@pytest.mark.slow
def test_cutting_past_broken_packets(videos, clean):
    clean(partial(make_cut, videos, "packets"), 100, memory_gb=6, refuses=False)


def make_features(where: Path) -> Target:
    path = where / "features.mp4"

    def read(given):
        path.write_bytes(given.data)
        try:
            clips = DenseClips(path, frames=4, size=32, rate=2)
            return len(clips), torch.cat(list(clips.batches(8))), spread_frames(path, frames=4, size=32)
        except BadVideo as error:
            raise InputError(str(error)) from error

    def right(given, result):
        count, clips, spread = result
        return len(clips) == count and clips.shape[1:] == (4, 3, 32, 32) and spread.shape == (4, 3, 32, 32)

    return Target(
        "features of a video", [("", (where / kind).read_bytes()) for kind in KINDS], broken_file, read, right
    )


@pytest.mark.slow
def test_features(videos, clean):
    clean(partial(make_features, videos), 100, memory_gb=6)


def make_decode(where: Path) -> Target:
    """Stored clips whose bytes are a stranger's: what has changed since they were written their checksums tell."""
    decoders = [name for name in DECODERS if load(name).frames is not None]
    clips = [clip.members[0] for _, clip in cut_clips(where / "h264.mp4", WINDOWS[:2], profile("train"))]
    indices = np.array([0, 2, 3, 1])

    def broken(rng, whole):
        return whole[0], broken_bytes(rng, whole[1], (b"moov", b"trak"))

    def read(given):
        decoder, data = given
        try:
            return decode_frames(data, indices, decoder) if decoder != "count" else count_frames([data], "mp4")
        except DecodeError as error:
            raise InputError(str(error)) from error

    def right(given, result):
        return isinstance(result, int) or (result.dtype, len(result), result.ndim) == (np.uint8, 4, 4)

    whole = [(decoder, clip) for decoder in [*decoders, "count"] for clip in clips]
    return Target("stored mp4 decoded", whole, broken, read, right)


@pytest.mark.slow
def test_stored_clips(videos, clean):
    clean(partial(make_decode, videos), 300, memory_gb=6)
