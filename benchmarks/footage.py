"""Stretches of real first-person video, as a cutter sees them, for benchmarks of how clips are stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import av
from av.filter import Graph

from egocurate.shards.profiles import H264, Profile
from egocurate.shards.video.clip_frames import FrameWindow, pick_frames
from egocurate.shards.video.scaler import FrameScaler

RATE = 30


@dataclass(frozen=True)
class Part:
    """A part of the picture of a file: x, y, width, height in pixels, and the windows (start, seconds) cut from it."""

    file: str
    box: tuple[int, int, int, int]
    windows: tuple[tuple[float, float], ...]


# A quarter of a wall holds four first-person videos of 480 x 270 or 320 x 180; a cell alone is too small to be judged.
PARTS = (
    Part("epic_wall_b_4x4_h264_1080p50.mp4", (0, 0, 960, 540), ((2.0, 1.0), (6.0, 2.0))),
    Part("epic_wall_b_4x4_h264_1080p50.mp4", (960, 540, 960, 540), ((4.0, 1.5), (9.0, 1.0))),
    Part("epic_wall_a_4x4_h264_720p60.mp4", (0, 360, 640, 360), ((3.0, 1.5),)),
    Part("gopro_max_heromode.mp4", (0, 0, 848, 480), ((1.0, 1.0), (4.0, 1.5), (7.0, 2.0))),
)


@dataclass
class Footage:
    """Frames of one window at `RATE` frames per second, at the source's size."""

    frames: list[av.VideoFrame]
    _scaled: dict[tuple[int, int], av.VideoFrame] = field(default_factory=dict)
    _scalers: dict[int, FrameScaler] = field(default_factory=dict)

    @cached_property
    def times(self) -> list[Fraction]:
        """Seconds of each frame after the first."""
        return [Fraction(n, RATE) for n in range(len(self.frames))]

    def picked(self, fps: int | None) -> list[int]:
        """Return the frames that a clip of that rate holds."""
        end = Fraction(len(self.frames), RATE)
        return pick_frames(self.times, end, FrameWindow(Fraction(0), end, None if fps is None else Fraction(fps)))

    def scaled(self, number: int, short_side: int) -> av.VideoFrame:
        """Return a frame at a stored size."""
        if (number, short_side) not in self._scaled:
            scaler = self._scalers.setdefault(short_side, _scaler(short_side))
            self._scaled[number, short_side] = scaler.scale(self.frames[number], Fraction(1))
        return self._scaled[number, short_side]


def windows(videos: Path) -> list[Footage]:
    """Return the windows of all parts."""
    found = []
    for part in PARTS:
        frames = list(_frames(videos / part.file, part.box))
        for start, seconds in part.windows:
            found.append(Footage(frames[round(start * RATE) : round((start + seconds) * RATE)]))
    return found


def chunks(videos: Path, seconds: int, short_side: int) -> list[list[av.VideoFrame]]:
    """Return stretches of so many seconds without a cut: a file that is too short runs backwards at its end."""
    found = []
    for part in (PARTS[0], PARTS[-1]):
        scaler = _scaler(short_side)
        frames = [scaler.scale(frame, Fraction(1)) for frame in _frames(videos / part.file, part.box)]
        found.append((frames + frames[::-1])[: seconds * RATE])
    return found


def _scaler(short_side: int) -> FrameScaler:
    return FrameScaler(Profile("", short_side, None, H264(1, 1)), left_half=False)


def _frames(path: Path, box: tuple[int, int, int, int]) -> Iterator[av.VideoFrame]:
    """Yield a part of the frames that stand at or first after each instant of `RATE`."""
    graph: Graph | None = None
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        instant = Fraction(0)
        for frame in container.decode(stream):
            if (frame.pts - (stream.start_time or 0)) * stream.time_base + Fraction(1, 500) < instant:
                continue
            instant += Fraction(1, RATE)
            graph = graph or _crop(frame, box)
            graph.vpush(frame)
            yield graph.vpull()


def _crop(frame: av.VideoFrame, box: tuple[int, int, int, int]) -> Graph:
    x, y, width, height = box
    graph = Graph()
    graph.threads = 1
    buffer = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    graph.link_nodes(buffer, graph.add("crop", f"{width}:{height}:{x}:{y}"), graph.add("buffersink")).configure()
    return graph
