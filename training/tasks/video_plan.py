"""What embedding many long videos will take: how many hours they are, and an estimate by the first clips of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from egocurate.errors import InputError
from egocurate.loaders.videos.long_videos import BadVideo
from egocurate.loaders.videos.stretches import length_sec
from egocurate.progress import in_words
from egocurate.training.tasks.video_chunks import CLIPS_IN_CHUNK, OpenClips

OPENED_AT_ONCE = 16
ON_CPU = 4
"""clips that are timed where the model is on the CPU: a large one takes seconds for each"""


class VideoPlan(NamedTuple):
    """How many videos are to be embedded, how many of them cannot be opened, their hours, and seconds of work."""

    videos: int
    unread: int
    hours: float
    seconds: float

    def __str__(self) -> str:
        """One line for a person."""
        unread = f" ({self.unread:,} cannot be opened)" if self.unread else ""
        what = f"{self.videos:,} video{'' if self.videos == 1 else 's'} to embed{unread}"
        if not self.seconds:
            return what
        hours, pace = f"{self.hours:,.1f} h of video", f"{self.hours * 3600 / self.seconds:,.1f} h an hour"
        return f"{what}, {hours}: about {in_words(self.seconds)} ({pace})"


class Pace(NamedTuple):
    """Who works: processes that decode for each rank, ranks, and whether their models are on GPUs."""

    workers: int
    ranks: int
    on_gpu: bool

    def seconds(self, decode: float, embed: float) -> float:
        """Return what decoding and embedding take that take one process so many seconds each.

        A GPU embeds while others decode; on a CPU, where they would share the cores, one waits for the other.
        """
        decode /= max(1, self.workers)
        together = max(decode, embed) if self.on_gpu and self.workers else decode + embed
        return together / self.ranks


def plan_videos(
    videos: Mapping[str, Path], open_clips: OpenClips, embed: Callable[[Tensor], object], pace: Pace
) -> VideoPlan:
    """Read how long videos are, and time the first clips of the longest that decodes.

    embed: does what is to be done with clips uint8 [B, T, 3, S, S], and returns when it is done.
    """
    with ThreadPoolExecutor(OPENED_AT_ONCE) as opened:
        lengths = dict(zip(videos, opened.map(_length, videos.values()), strict=True))
    total = sum(lengths.values())
    unread = sum(length == 0 for length in lengths.values())
    longest = sorted((name for name in lengths if lengths[name]), key=lambda name: -lengths[name])
    for name in longest[:OPENED_AT_ONCE]:
        try:
            decode, per_clip, clips_a_second = _timed(videos[name], lengths[name], open_clips, embed, pace)
        except BadVideo:
            continue
        seconds = pace.seconds(decode * clips_a_second * total, per_clip * clips_a_second * total)
        return VideoPlan(len(videos), unread, total / 3600, seconds)
    return VideoPlan(len(videos), unread, total / 3600, 0.0)


def _timed(
    path: Path, length: float, open_clips: OpenClips, embed: Callable[[Tensor], object], pace: Pace
) -> tuple[float, float, float]:
    """Return the seconds that one clip takes to decode and to embed, and clips in a second of video."""
    began = time.perf_counter()
    clips = open_clips(path)
    frames = next(iter(clips.batches(CLIPS_IN_CHUNK)))
    decode = (time.perf_counter() - began) / len(frames)
    some = frames if pace.on_gpu else frames[:ON_CPU]
    embed(some[:1])  # the first time takes longer
    began = time.perf_counter()
    embed(some)
    return decode, (time.perf_counter() - began) / len(some), len(clips) / length


def _length(path: Path) -> float:
    """Return the seconds of a video; 0 for one that cannot be opened, which is named when its turn comes."""
    if not path.is_file():  # a pipe would keep who opens it waiting
        return 0.0
    try:
        return length_sec(path)
    except InputError:
        return 0.0
