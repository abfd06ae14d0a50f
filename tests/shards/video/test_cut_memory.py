"""A task's memory grows neither with the length of the video nor with the clips that overlap."""

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

import egocurate.shards.video.cut as cut_module
from egocurate.shards.profiles import profile
from egocurate.shards.video.cut import EncodedClip, cut_clips
from egocurate.shards.video.cut_stats import CutStats
from egocurate.shards.video.encode_mp4 import clip_encoder

HOUR = 3600
GIGABYTE = 1_000_000_000
CUT_AND_TELL = """
import json, sys
from pathlib import Path
from egocurate.shards.video.cut import EncodedClip, cut_clips
from egocurate.shards.profiles import profile
windows = json.loads(sys.argv[2])
whole = sum(isinstance(clip, EncodedClip) for _, clip in cut_clips(Path(sys.argv[1]), windows, profile("train")))
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([whole, int(peak.split()[1]) * 1024]))
"""
CODEC = {"preset": "ultrafast", "g": "60", "keyint_min": "60", "sc_threshold": "0", "bf": "2"}


def peak_bytes(video: Path, windows: list[tuple[str, float, float]]) -> int:
    """Cut in a process of its own and return the most memory it ever had."""
    command = [sys.executable, "-c", CUT_AND_TELL, str(video), json.dumps(windows)]
    whole, peak = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert whole == len(windows)
    return peak


def repeated(source: Path, target: Path, seconds: int) -> Path:
    """Write the packets of a video over and over until it is so long."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        stream = out.add_stream_from_template(container.streams.video[0])
        tick = packets[0].time_base
        period = sum(packet.duration for packet in packets)
        for _ in range(int(seconds / (period * tick))):
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
                packet.pts, packet.dts, packet.time_base = packet.pts + period, packet.dts + period, tick
    return target


@pytest.mark.slow
def test_seven_hours_with_clips_all_over(make_video: Callable[..., Path], tmp_path: Path) -> None:
    part = make_video(tmp_path / "part.mp4", pts=range(120), tick=Fraction(1, 6), size=(480, 270), **CODEC)
    video = repeated(part, tmp_path / "long.mp4", 7 * HOUR)
    with av.open(str(video)) as container:
        assert container.duration / av.time_base > 6.9 * HOUR
    windows = [(f"k{i}", i * 620.0, i * 620.0 + 1.5) for i in range(40)]
    long = peak_bytes(video, windows)
    assert long < GIGABYTE // 2
    assert long < 1.3 * peak_bytes(part, [(key, 1.0, 2.5) for key, _, _ in windows[:5]])


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of encoders that are open, each time another is opened."""
    open_now, seen = 0, []

    def opened(*arguments: object) -> object:
        nonlocal open_now
        encoder = clip_encoder(*arguments)
        open_now += 1
        seen.append(open_now)
        finish = encoder.finish

        def close() -> tuple[bytes, ...]:
            nonlocal open_now
            open_now -= 1
            return finish()

        encoder.finish = close
        return encoder

    monkeypatch.setattr(cut_module, "clip_encoder", opened)
    return seen


def test_many_clips_of_one_moment(small_videos: dict[str, Path], counted: list[int], monkeypatch) -> None:
    windows = [(f"k{i}", 1 + i / 100, 4 + i / 50) for i in range(100)]
    video = small_videos["cook"]
    stats = CutStats()
    expected = dict(cut_clips(video, windows, profile("train"), stats=stats))
    assert all(isinstance(clip, EncodedClip) for clip in expected.values())
    assert max(counted) == 1, "clips are encoded one after the other"
    counted.clear()
    monkeypatch.setattr(cut_module, "HELD_BYTES", 40 * 64 * 48 * 3 // 2)
    again = CutStats()
    assert dict(cut_clips(video, windows, profile("train"), stats=again)) == expected
    assert 1 < max(counted) <= cut_module.ENCODERS_PAST_THAT
    assert again.decoded > stats.decoded, "more passes were needed"
