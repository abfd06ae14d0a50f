"""Whole videos, read once from start to end: clips all along one, or a few frames spread over it."""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import VideoReformatter

from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.frame_sampling import dense, middles_of_stretches, overlapping, segments_middle
from egocurate.shards.profiles import profile
from egocurate.shards.video.reader import BrokenStretch, VideoReader
from egocurate.shards.video.scaler import FrameScaler

SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".m4v", ".webm")


class BadVideo(Exception):  # noqa: N818 (reads as what happened)
    """A video that cannot be read to its end; `str()` is one line."""


def find_videos(where: str | Path) -> dict[str, Path]:
    """Return videos by name without suffix: those in a folder, or of a text file with a path on each line.

    Paths in a file are relative to its folder. Raises InputError if there is none, or two have one name.
    """
    where = Path(where)
    try:
        if where.is_dir():
            paths = [path for path in sorted(where.iterdir()) if path.suffix.lower() in SUFFIXES]
        else:
            paths = [where.parent / line.strip() for line in where.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: neither a folder of videos nor a text file with a path on each line") from error
    if not paths:
        raise InputError(f"{where}: no videos there; they end in {', '.join(SUFFIXES)}, or a text file lists them")
    videos: dict[str, Path] = {}
    for path in paths:
        if path.stem in videos:
            raise InputError(f"{where}: {videos[path.stem]} and {path} have one name; give each video its own")
        videos[path.stem] = path
    return videos


class DenseClips:
    """All clips of a video, `rate` per second (`loaders.frame_sampling.dense`), as the center of its upright frames.

    Memory does not grow with the video. Raises BadVideo, on opening and while it is read.
    """

    def __init__(self, path: Path, *, frames: int, size: int, rate: float) -> None:
        """Open the video and work out its clips."""
        self._video = _open(path)
        self._frames, self._size = frames, size
        try:
            count, fps = _length(self._video)
        except BadVideo:
            self._video.close()
            raise
        self._places = dense(count, frames, rate=rate, fps=fps)
        starts = np.arange(len(self._places)) * min(1 / rate, count / fps)
        self.stretches = np.stack([starts, starts + min(1 / rate, count / fps)], axis=1)
        """(start, end) of each in seconds, float64 [N, 2]"""

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self._places)

    def batches(self, batch_size: int) -> Iterator[torch.Tensor]:
        """Yield the clips in order as uint8 [B, T, 3, size, size], once."""
        pictures = _pictures(self._video, self._places.ravel(), self._size)
        with self._video:
            while batch := list(islice(pictures, batch_size * self._frames)):
                yield torch.stack(batch).unflatten(0, (-1, self._frames))


class OverlappingClips:
    """Windows all along a video (`loaders.frame_sampling.overlapping`), as the center of its upright frames.

    Each frame is read and scaled once, however many windows show it. Memory does not grow with the video. Raises
    BadVideo, on opening and while it is read.
    """

    def __init__(self, path: Path, *, frames: int, size: int, window_sec: float, stride_sec: float) -> None:
        """Open the video and work out its windows."""
        self._video = _open(path)
        self._size = size
        try:
            count, fps = _length(self._video)
        except BadVideo:
            self._video.close()
            raise
        self.stretches = overlapping(count / fps, window_sec=window_sec, stride_sec=stride_sec)
        """(start, end) of each in seconds, float64 [N, 2]"""
        self._places = middles_of_stretches(self.stretches, frames, fps=fps, count=count)

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self._places)

    def batches(self, batch_size: int) -> Iterator[torch.Tensor]:
        """Yield the windows in order as uint8 [B, T, 3, size, size], once."""
        clips = self._clips()
        with self._video:
            while batch := list(islice(clips, batch_size)):
                yield torch.stack(batch)

    def _clips(self) -> Iterator[torch.Tensor]:
        distinct = np.unique(self._places)
        pictures = zip(distinct.tolist(), _pictures(self._video, distinct, self._size), strict=True)
        waiting: dict[int, torch.Tensor] = {}
        for wanted in self._places.tolist():
            # Windows begin one after the other: what lies before this one is never shown again.
            waiting = {place: picture for place, picture in waiting.items() if place >= wanted[0]}
            while wanted[-1] not in waiting:
                place, picture = next(pictures)
                waiting[place] = picture
            yield torch.stack([waiting[place] for place in wanted])


def spread_frames(path: Path, *, frames: int, size: int) -> torch.Tensor:
    """Return the middle frames of T equal parts of a video as uint8 [T, 3, size, size]; raises BadVideo."""
    with _open(path) as video:
        places = segments_middle(_length(video)[0], frames)
        return torch.stack(list(_pictures(video, places, size)))


def _open(path: Path) -> VideoReader:
    try:
        return VideoReader(path)
    except (OSError, av.error.FFmpegError) as error:
        raise BadVideo(f"cannot open: {error}") from error


def _length(video: VideoReader) -> tuple[int, float]:
    """Return the frames that a video has at its average rate, and that rate."""
    fps = float(video.rate)
    count = round(float(video.seconds) * fps)
    if count < 1:
        raise BadVideo("its header has no length: write it again with ffmpeg -c copy")
    return count, fps


def _pictures(video: VideoReader, places: np.ndarray, size: int) -> Iterator[torch.Tensor]:
    """Yield what is shown at ascending places int64[N], counted in frames of the average rate, as uint8 [3, S, S].

    By time, so that places are right where the rate varies. After the last frame it is shown on.
    """
    # In the middle of a frame's time: timestamps are rounded.
    wanted = ((places + 0.5) / float(video.rate)).tolist()
    stored = profile("train")  # models see in training what it stores
    scaler = FrameScaler(replace(stored, short_side=max(stored.short_side, size)), left_half=False)
    converter = VideoReformatter()  # one for all frames: to build it takes longer than to convert a frame
    video.needed = lambda _, time, after: _first(wanted, time) < _first(wanted, after)

    def picture(frame: av.VideoFrame) -> torch.Tensor:
        shown = converter.reformat(scaler.scale(frame, video.pixel_aspect), format="rgb24", threads=1)
        pixels = torch.from_numpy(shown.to_ndarray()).permute(2, 0, 1)
        return crop_and_resize(pixels[None], center_view(*pixels.shape[1:]), size)[0]

    try:
        done, current = 0, video.read()
        if current is None:
            raise BadVideo("no frame decodes")
        while done < len(wanted):
            _, frame = current
            upcoming = video.read()
            until = len(wanted) if upcoming is None else max(done, _first(wanted, upcoming[0]))
            if until > done:
                pixels = picture(frame)
                yield from (pixels for _ in range(done, until))
            done = until
            current = current if upcoming is None else upcoming
    except (BrokenStretch, OSError, av.error.FFmpegError) as error:
        raise BadVideo(str(error)) from error


def _first(times: list[float], at: object) -> int:
    """Return the place of the first of ascending times that is not before `at`."""
    return bisect_left(times, float(at))
