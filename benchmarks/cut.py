"""Cut a video once for all its clips, or once for each: `python -m benchmarks.cut --videos FOLDER`.

FOLDER holds epic_wall_b_4x4_h264_1080p50.mp4: first-person video, here scaled to 960x540 at 30 fps, x264's default
group of pictures, end to end until it is minutes long. Clips of 1 to 2 s, 20 a minute, overlap as Ego4D's do. All ways
store the same frame rate, size and x264 settings, each on the same single core, in rounds that take turns; the best
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.record import figure, write_record
from egocurate.errors import InputError
from egocurate.shards.profiles import profile
from egocurate.shards.video.clip_frames import FramePicker, FrameWindow
from egocurate.shards.video.cut import cut_clips
from egocurate.shards.video.cut_stats import CutStats
from egocurate.shards.video.encode_mp4 import clip_encoder
from egocurate.shards.video.scaler import FrameScaler

SOURCE = "epic_wall_b_4x4_h264_1080p50.mp4"
PROFILE = profile("train")
CLIPS_PER_MINUTE, ROUNDS = 20, 3
LONG_SECONDS = 7 * 3600
CUT_AND_TELL = """
import json, sys
from pathlib import Path
from egocurate.shards.video.cut import cut_clips
from egocurate.shards.profiles import profile
for _ in cut_clips(Path(sys.argv[1]), json.loads(sys.argv[2]), profile("train")): pass
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""

Windows = list[tuple[str, float, float]]


@dataclass
class Cost:
    """The least wall seconds of some rounds, and the CPU seconds of that round."""

    wall: float = float("inf")
    cpu: float = 0.0

    def measure(self, work: Callable[[], None]) -> None:
        """Run the work once more."""
        cpu, wall = _cpu(), time.perf_counter()
        work()
        wall = time.perf_counter() - wall
        if wall < self.wall:
            self.wall, self.cpu = wall, _cpu() - cpu


def measure(videos: Path, scratch: Path, seconds: int = 112) -> list[dict[str, object]]:
    """Cut a video of `seconds` in three ways, or decode it alone; raises InputError if something is absent."""
    if not (videos / SOURCE).is_file():
        raise InputError(f"{videos}: no {SOURCE} there; name a folder that has it with --videos")
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        raise InputError("ffmpeg is not on the PATH: install it, for instance with `apt-get install ffmpeg`")
    part = _to_540p(ffmpeg, videos / SOURCE, scratch / "part.mp4")
    video = end_to_end(part, scratch / "video.mp4", seconds)
    windows = _windows(seconds)
    stats = CutStats()
    ways: dict[str, Callable[[], None]] = {
        "ours": lambda: _ours(video, windows, stats),
        "ffmpeg": lambda: _ffmpeg_each(ffmpeg, video, windows, scratch),
        "pyav": lambda: _seek_each(video, windows),
        "decoder": lambda: _decode_all(video),
    }
    costs = {name: Cost() for name in ways}
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for _ in range(ROUNDS):
        for name, work in ways.items():
            costs[name].measure(work)
    rate = {name: len(windows) / cost.wall for name, cost in costs.items()}
    needed, decoded, frames = stats.used / ROUNDS, stats.decoded / ROUNDS, seconds * 30
    floor = costs["decoder"].cpu * decoded / frames
    many = [(f"k{i}", 3 + i / 2000, 4 + i / 2000) for i in range(2000)]
    return [
        figure("clips cut, 1 to 2 s, 20 a minute of 540p video, GOP 250", len(windows), "clips"),
        figure("one pass for all clips (ours)", rate["ours"], "clips/s/core"),
        figure("an ffmpeg process per clip, -ss before -i", rate["ffmpeg"], "clips/s/core"),
        figure("PyAV, open and seek per clip", rate["pyav"], "clips/s/core"),
        figure("ours over an ffmpeg process per clip", rate["ours"] / rate["ffmpeg"], "x", ">= 3"),
        figure("the same in CPU time", costs["ffmpeg"].cpu / costs["ours"].cpu, "x"),
        figure("ours over PyAV per clip", rate["ours"] / rate["pyav"], "x"),
        figure("ours, CPU time over wall time", costs["ours"].cpu / costs["ours"].wall, "", "<= 1"),
        figure("frames of the video that are decoded", 100 * decoded / frames, "%"),
        figure("frames decoded for each frame stored", decoded / needed, ""),
        figure("decoding as many frames and nothing else", floor, "s CPU"),
        figure("ours, with scaling and encoding, over that", costs["ours"].cpu / floor, "x", "<= 1.6"),
        figure("peak memory, 7 hours of 30 fps, 100 clips all over it", _peak_of_long(scratch), "MB", "< 1000"),
        figure("peak memory, 2,000 clips that overlap one moment", _peak(part, many), "MB", "< 1000"),
    ]


def _to_540p(ffmpeg: str, source: Path, target: Path) -> Path:
    command = [
        ffmpeg,
        "-v",
        "error",
        "-y",
        "-i",
        source,
        "-an",
        "-vf",
        "fps=30,scale=960:540",
        "-c:v",
        "libx264",
        target,
    ]
    subprocess.run(command, check=True)
    return target


def end_to_end(source: Path, target: Path, seconds: float) -> Path:
    """Write the packets of a video over and over, as they are, until it is so long."""
    with av.open(str(source)) as container, av.open(str(target), "w") as out:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        stream = out.add_stream_from_template(container.streams.video[0])
        tick, period = packets[0].time_base, sum(packet.duration for packet in packets)
        for _ in range(int(seconds / (period * tick))):
            for packet in packets:
                packet.stream = stream
                out.mux(packet)
                packet.pts, packet.dts, packet.time_base = packet.pts + period, packet.dts + period, tick
    return target


def _windows(seconds: int) -> Windows:
    rng = np.random.default_rng(0)
    count = seconds * CLIPS_PER_MINUTE // 60
    starts, lengths = np.sort(rng.uniform(0, seconds - 2, count)), rng.uniform(1, 2, count)
    return [(f"k{i}", start, start + length) for i, (start, length) in enumerate(zip(starts, lengths, strict=True))]


def _ours(video: Path, windows: Windows, stats: CutStats) -> None:
    for _ in cut_clips(video, windows, PROFILE, stats=stats):
        pass


def _ffmpeg_each(ffmpeg: str, video: Path, windows: Windows, scratch: Path) -> None:
    codec = PROFILE.codec
    settings = {
        "-vf": f"fps={PROFILE.fps},scale=-2:{PROFILE.short_side}:flags=area",
        "-c:v": "libx264",
        "-preset": codec.preset,
        "-tune": codec.tune,
        "-crf": str(codec.crf),
        "-g": str(codec.gop),
        "-bf": str(codec.b_frames),
        "-x264-params": "mbtree=0:rc-lookahead=0",
        "-threads": "1",
    }
    encode = [part for setting in settings.items() for part in setting]
    one_thread = ["-v", "error", "-y", "-nostdin", "-filter_threads", "1", "-threads", "1"]
    for _, start, end in windows:
        place = ["-ss", f"{start:.6f}", "-t", f"{end - start:.6f}", "-i", str(video)]
        subprocess.run([ffmpeg, *one_thread, *place, "-an", *encode, str(scratch / "clip.mp4")], check=True)


def _seek_each(video: Path, windows: Windows) -> None:
    for _, start, end in windows:
        window = FrameWindow.of(start, end, PROFILE.fps)
        picker, scaler, encoder = FramePicker(window), FrameScaler(PROFILE, left_half=False), None
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(int(window.start / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                time_sec = frame.pts * stream.time_base
                if picker.accepts(time_sec):
                    scaled = scaler.scale(frame, Fraction(1))
                    encoder = encoder or clip_encoder(scaled.width, scaled.height, Fraction(PROFILE.fps), PROFILE)
                    encoder.add(scaled)
                if picker.done or time_sec >= window.end:
                    break
        if encoder is not None:
            encoder.finish()


def _decode_all(video: Path) -> None:
    with av.open(str(video)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0):
            pass


def _peak_of_long(scratch: Path) -> float:
    """Return the peak memory of cutting seven hours, of pictures that are large and packets that are small."""
    part = scratch / "still.mp4"
    with av.open(str(part), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 960, 540, "yuv420p"
        for _ in range(250):
            container.mux(stream.encode(av.VideoFrame(960, 540, "yuv420p")))
        container.mux(stream.encode(None))
    long = end_to_end(part, scratch / "long.mp4", LONG_SECONDS)
    return _peak(long, [(f"k{i}", i * 250.0, i * 250.0 + 1.5) for i in range(100)])


def _peak(video: Path, windows: Windows) -> float:
    """Return the most megabytes that a process of its own needs to cut these clips."""
    command = [sys.executable, "-c", CUT_AND_TELL, str(video), json.dumps(windows)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) * 1024 / 1e6


def _cpu() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            write_record("cut", measure(given.videos, Path(scratch)))
        except InputError as error:
            raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
