"""What decoders conceal is noticed: bits left over, pictures that do not add up, frames that are built on these."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import av
import pytest

import egocurate.shards.video.cut as cut_module
from egocurate.shards.profiles import profile
from egocurate.shards.video.cut import EncodedClip, cut_clips
from egocurate.shards.video.strict_decoder import strict_decoder
from egocurate.storage.open_video import open_video
from tests.shards.video.test_frame_exact import NotedFrames

FLIPS = 25
X264 = {"g": "30", "keyint_min": "30", "bf": "2"}
HEVC_HASH = {"codec": "libx265", "preset": "ultrafast", "x265-params": "keyint=30:open-gop=0:hash=1:log-level=none"}
VP9 = {"codec": "libvpx-vp9", "g": "30", "cpu-used": "8", "deadline": "realtime"}
WINDOWS = [(f"{n}", n / 5, (n + 1) / 5) for n in range(10)]


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_module, "clip_encoder", NotedFrames)


def clips_of(path: Path) -> dict[str, tuple[str, ...] | None]:
    cut = dict(cut_clips(path, WINDOWS, profile("native")))
    return {key: clip.members if isinstance(clip, EncodedClip) else None for key, clip in cut.items()}


@pytest.mark.parametrize(
    ("name", "made", "most"),
    [
        # By FFmpeg's defaults 16, 11 and 23 of so many flips store another picture; now 9, 0 and 2.
        ("h264.mp4", {**X264, "preset": "ultrafast"}, 11),
        ("hevc.mp4", HEVC_HASH, 1),
        ("vp9.webm", VP9, 5),
    ],
)
def test_a_flipped_bit_is_noticed(
    name: str, made: dict, most: int, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    whole, broken = tmp_path / name, tmp_path / f"broken {name}"
    make_video(whole, pts=range(60), size=(192, 128), **made)
    expected, data = clips_of(whole), whole.read_bytes()
    assert None not in expected.values()
    with av.open(str(whole)) as container:
        packets = [(packet.pos, bytes(packet)) for packet in container.demux(video=0) if packet.size]
    stored_otherwise = 0
    for number in range(FLIPS):
        rng = Random(number)
        at, packet = rng.choice(packets)
        changed = bytearray(data)
        changed[data.index(packet, max(0, at)) + rng.randrange(len(packet))] ^= 1 << rng.randrange(8)
        broken.write_bytes(changed)
        found = clips_of(broken)
        stored_otherwise += any(found[key] not in (None, expected[key]) for key in found)
    assert stored_otherwise <= most


def test_frames_that_are_built_on_a_damaged_one_and_shown_before_it_are_given_up(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    """MPEG-2's B-frames come, decoded, before the frame after them of which the decoder says that it is damaged."""
    whole, broken = tmp_path / "whole.mkv", tmp_path / "broken.mkv"
    options = {"codec": "mpeg2video", "g": "15", "bf": "2", "b": "1M"}
    make_video(whole, pts=range(60), size=(192, 128), **options)
    expected = clips_of(whole)
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        # The first frame after a group's first that others, shown before it, are built on.
        anchor = next(n for n, packet in enumerate(packets) if n > 20 and packets[n + 1].pts < packet.pts)
        shown_before = float(packets[anchor + 1].pts * packets[anchor].time_base)
        at, size = packets[anchor].pos, packets[anchor].size
        data = bytearray(whole.read_bytes())
        start = bytes(data).index(bytes(packets[anchor]), max(0, at))
    data[start + size // 2 : start + size] = bytes(size - size // 2)
    broken.write_bytes(data)
    windows = [("before", shown_before - 0.001, shown_before + 0.001)]
    cut = dict(cut_clips(broken, windows, profile("native")))["before"]
    right = dict(cut_clips(whole, windows, profile("native")))["before"]
    assert isinstance(right, EncodedClip) and expected
    assert not isinstance(cut, EncodedClip) or cut.members == right.members


def test_a_video_of_vp9_that_is_turned_keeps_its_own_decoder(make_video: Callable[..., Path], tmp_path: Path) -> None:
    for rotation, name in ((0, "libvpx-vp9"), (90, "vp9")):
        path = make_video(tmp_path / f"{rotation}.mp4", pts=range(10), rotation=rotation, **VP9)
        with open_video(path) as container:
            assert strict_decoder(container).name == name
