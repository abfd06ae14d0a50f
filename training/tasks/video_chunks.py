"""Clips of many long videos, read by worker processes: a chunk of a video after the other, and how far that is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from egocurate.loaders.videos.long_videos import BadVideo
from egocurate.loaders.workers.worker_status import WorkerStatus, worker_lost
from egocurate.progress import Report, Stage, in_words

CLIPS_IN_CHUNK = 32


class VideoClips(Protocol):
    """The clips of one video, as `loaders.videos.long_videos` has them."""

    stretches: np.ndarray
    """(start, end) of each in seconds, float64 [N, 2]"""

    def __len__(self) -> int:
        """Return the number of clips."""

    def batches(self, batch_size: int) -> Iterator[Tensor]:
        """Yield the clips in order as uint8 [B, T, 3, S, S], once."""


OpenClips = Callable[[Path], VideoClips]
"""Opens a video; raises BadVideo, then or while it is read."""


class VideoChunk(NamedTuple):
    """Some clips of a video in order, uint8 [B, T, 3, S, S], and how much of it that is; or why it is bad."""

    video: str
    frames: Tensor
    stretches: np.ndarray
    """(start, end) of each in seconds, float64 [B, 2]"""
    share: float
    last: bool
    bad: str = ""


def chunks_of_videos(
    videos: dict[str, Path], open_clips: OpenClips, *, workers: int, pin_memory: bool, stage: str, report: Report
) -> Iterator[VideoChunk]:
    """Yield the chunks of each video in order, those of different videos between each other, and report how far it is.

    What comes after a chunk was asked for counts as done with it. Raises WorkerLost where a process was killed.
    """
    status = WorkerStatus(workers)
    loader = DataLoader(
        _Chunks(videos, open_clips, status),
        batch_size=None,
        num_workers=min(workers, len(videos)),
        multiprocessing_context="fork" if workers and videos else None,
        pin_memory=pin_memory,
        in_order=False,  # each process has videos of its own
    )
    progress = _Progress(stage, report, {name: size_of(video) for name, video in videos.items()})
    try:
        for chunk in loader:
            yield chunk
            progress.add(chunk)
    except RuntimeError as error:  # raised wherever this process is when a worker dies
        lost = worker_lost(error, status)
        if lost is None:
            raise
        raise lost from error


def longest_first(names: Sequence[str], videos: dict[str, Path]) -> list[str]:
    """Return names of videos by falling size, so that all who take every n-th of them end at about the same time."""
    return sorted(names, key=lambda name: (-size_of(videos[name]), name))


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if it is not there."""
    return path.stat().st_size if path.is_file() else 0


class _Chunks(IterableDataset):
    """The clips of videos, one video after another; each worker process has its own share of them."""

    def __init__(self, videos: dict[str, Path], open_clips: OpenClips, status: WorkerStatus) -> None:
        self._videos, self._open_clips, self._status = videos, open_clips, status

    def __iter__(self) -> Iterator[VideoChunk]:
        worker, names = get_worker_info(), list(self._videos)
        for name in names[worker.id :: worker.num_workers] if worker else names:
            self._status.note(str(self._videos[name]))
            yield from self._video(name)
        self._status.clear()

    def _video(self, name: str) -> Iterator[VideoChunk]:
        done = 0
        try:
            clips = self._open_clips(self._videos[name])
            for frames in clips.batches(CLIPS_IN_CHUNK):
                stretches = clips.stretches[done : done + len(frames)]
                done += len(frames)
                yield VideoChunk(name, frames, stretches, len(frames) / len(clips), done == len(clips))
        except BadVideo as error:
            reason = " ".join(str(error).split())
            yield VideoChunk(name, torch.empty(0), np.empty((0, 2)), 0.0, True, reason)


class _Progress:
    """What a rank reports: its videos done, clips per second, and the time to go, judged by the bytes of the videos."""

    def __init__(self, stage: str, report: Report, sizes: dict[str, int]) -> None:
        self._stage, self._report, self._sizes, self._began = stage, report, sizes, time.monotonic()
        self._total = sum(sizes.values())
        self._done, self._videos, self._bad, self._clips = 0.0, 0, 0, 0

    def add(self, chunk: VideoChunk) -> None:
        seconds = time.monotonic() - self._began
        self._done += chunk.share * self._sizes[chunk.video]
        self._clips += len(chunk.frames)
        self._videos += chunk.last
        self._bad += bool(chunk.bad)
        if chunk.bad:  # it takes no more time, as far as it goes
            self._total -= self._sizes[chunk.video]
        note = f"{self._clips / seconds:,.1f} clips/s"
        if self._bad:
            note += f", {self._bad:,} bad"
        if self._done:
            note += f", {in_words(max(0.0, self._total / self._done - 1) * seconds)} left"
        self._report(Stage(self._stage, note=note), self._videos, len(self._sizes))
