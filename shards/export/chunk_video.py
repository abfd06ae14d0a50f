"""Encode one video as chunks: every frame once, in order; a chunk is whole under its name or not there."""

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av

from egocurate.shards.export.chunk_layouts import ChunkLayout, missing_chunks
from egocurate.shards.profiles import profile
from egocurate.shards.video.reader import BrokenStretch, VideoReader
from egocurate.shards.video.scaler import FrameScaler
from egocurate.shards.write.build_shard import DISK_FULL
from egocurate.shards.write.job import VideoFile
from egocurate.storage.atomic import TEMP_PREFIX, atomic_write
from egocurate.storage.open_video import open_video, video_stream
from egocurate.storage.paths import as_path

BT601, LIMITED_RANGE = 6, 1


@dataclass(frozen=True)
class ChunkTask:
    """One video's work: where it lies, its length in seconds (NaN: unknown), and the folder of all videos."""

    video_uid: str
    video: VideoFile
    duration: float
    layout: ChunkLayout
    out: Path


@dataclass
class ChunkOutcome:
    """What a task left: (chunk, frames, bytes) of each file, (chunk, reason, detail) of what could not be written."""

    video_uid: str
    written: list[tuple[int, int, int]] = field(default_factory=list)
    failed: list[tuple[int, str, str]] = field(default_factory=list)
    disk_full: bool = False


def write_chunks(task: ChunkTask) -> ChunkOutcome:
    """Write the chunks of a video that are not there yet."""
    outcome = ChunkOutcome(task.video_uid)
    try:
        if task.video.size() < 0:
            outcome.failed.append((0, "video not on disk", str(task.video.path or "")))
        else:
            _export(task, outcome)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        outcome.disk_full = True
    return outcome


def _export(task: ChunkTask, outcome: ChunkOutcome) -> None:
    folder = task.out / task.layout.folder(task.video_uid)
    folder.mkdir(parents=True, exist_ok=True)
    for temp in folder.glob(f"{TEMP_PREFIX}*"):
        temp.unlink()
    try:
        source = VideoReader(as_path(task.video.path))
    except (OSError, av.error.FFmpegError) as error:
        outcome.failed.append((0, "cannot open", str(error)))
        return
    with source:
        chunker = _Chunker(task, source, folder)
        try:
            chunker.run()
        except av.error.FFmpegError as error:
            chunker.give_up(str(error), None)
    outcome.failed += chunker.failed
    chunks = _chunks_there(task.layout, folder)
    outcome.written += [(chunk, _frame_count(path), path.stat().st_size) for chunk, path in chunks.items()]
    known = chunks.keys() | {chunk for chunk, *_ in chunker.failed}
    outcome.failed += [(chunk, "no frames in chunk", "") for chunk in missing_chunks(known)]
    if not known:
        outcome.failed.append((0, "no frames in chunk", "the video has none"))


def _chunks_there(layout: ChunkLayout, folder: Path) -> dict[int, Path]:
    """Return the chunks that are there, ascending."""
    step = layout.seconds if layout.by_second else 1
    numbers = sorted(int(path.stem) // step for path in folder.glob("*.mp4") if path.stem.isdigit())
    return {number: folder / layout.file(number) for number in numbers}


def _frame_count(path: Path) -> int:
    with open_video(path) as container:
        return video_stream(container).frames


class _Chunker:
    """Deals the frames of a video out to chunks."""

    def __init__(self, task: ChunkTask, source: VideoReader, folder: Path) -> None:
        self.task, self.layout, self.source, self.folder = task, task.layout, source, folder
        self.scaler = FrameScaler(
            replace(profile("native"), short_side=task.layout.short_side), left_half=task.video.is_stereo
        )
        self.done = set(_chunks_there(task.layout, folder))
        self.failed: list[tuple[int, str, str]] = []
        self.lost: set[int] = set()
        self.chunk: int | None = None
        self.encoder: _ChunkEncoder | None = None

    def run(self) -> None:
        self._skip_done(0)
        for time, frame in self._frames():
            chunk = self.layout.chunk_of(time)
            if chunk != self.chunk:
                self._finish()
                self._begin(chunk)
            if self.encoder is not None:
                self.encoder.add(time, self.scaler.scale(frame, self.source.pixel_aspect))
        self._finish()

    def _frames(self) -> Iterator[tuple[Fraction, av.VideoFrame]]:
        """Yield what can be read; the chunks that a broken stretch touches are given up."""
        while True:
            try:
                frame = self.source.read()
            except BrokenStretch as stretch:
                self.give_up(str(stretch), stretch.until)
                if stretch.until is None:
                    return
                continue
            if frame is None:
                return
            yield frame

    def _begin(self, chunk: int) -> None:
        self.chunk = chunk
        if chunk in self.done:
            self._skip_done(chunk)
        elif chunk not in self.lost:
            self.encoder = _ChunkEncoder(self.source.rate)

    def _finish(self) -> None:
        if self.encoder is not None:
            data, self.encoder = self.encoder.finish(), None
            atomic_write(self.folder / self.layout.file(self.chunk), lambda file: file.write(data))

    def _skip_done(self, chunk: int) -> None:
        """Go on at the first chunk from `chunk` on that is not there, or near the end if all are."""
        if chunk not in self.done:
            return
        while chunk in self.done:
            chunk += 1
        try:
            self.source.skip_to(Fraction(chunk * self.layout.seconds))
        except BrokenStretch as stretch:
            self.give_up(str(stretch), stretch.until)

    def give_up(self, detail: str, until: Fraction | None) -> None:
        """Count the chunks as failed that miss frames if none can be had from here to `until` (None: the end)."""
        reached = self.source.end if self.source.end is not None else Fraction(0)
        lost = self.layout.lost(reached, until, self.task.duration)
        if self.chunk in lost:
            self.encoder = None
        else:
            self._finish()
        new = [chunk for chunk in lost if chunk not in self.done | self.lost]
        self.failed += [(chunk, "decode error", detail) for chunk in new]
        self.lost.update(new)


class _ChunkEncoder:
    """H.264 in mp4 as `ffmpeg` makes it by default (x264: medium, crf 23, keyframe every 250), without sound.

    The frames keep the distances they have in the source; the first is shown at 0. A chunk is held in memory until it
    is whole: ten minutes of 256 lines are some 50 MB.
    """

    def __init__(self, rate: Fraction) -> None:
        self._file = io.BytesIO()
        self._container = av.open(self._file, "w", format="mp4", container_options={"fflags": "+bitexact"})
        self._rate = rate.limit_denominator(1001)
        # A whole number of ticks per frame at a constant rate, and fine enough for any other.
        self._tick = 1 / (self._rate * math.ceil(90_000 / self._rate))
        self._stream: av.VideoStream | None = None
        self._first = Fraction(0)

    def add(self, time: Fraction, picture: av.VideoFrame) -> None:
        if self._stream is None:
            self._stream, self._first = self._open(picture), time
        picture.pts, picture.time_base, picture.pict_type = round((time - self._first) / self._tick), self._tick, 0
        self._container.mux(self._stream.encode(picture))

    def finish(self) -> bytes:
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._file.getvalue()

    def _open(self, picture: av.VideoFrame) -> av.VideoStream:
        stream = self._container.add_stream("libx264", rate=self._rate)
        stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
        codec = stream.codec_context
        codec.time_base = self._tick
        codec.thread_count = 1
        codec.colorspace, codec.color_range = BT601, LIMITED_RANGE
        return stream
