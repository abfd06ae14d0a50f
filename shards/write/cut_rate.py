"""How long cutting takes: a guess before it, and in words for a person while it goes on."""

import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from egocurate.progress import in_words

# What a core decodes in a second, of Full HD and of any video, and needs to store a clip: guesses on the slow side.
DECODED_SEC_PER_SEC, DECODED_BYTES_PER_SEC, SEC_PER_CLIP = 5.0, 2.5e6, 0.02


def core_seconds(clips: pa.Table, video_bytes: float = np.inf) -> float:
    """Return about how long a core would take to cut clips out of videos of so many bytes; overlaps count twice."""
    lengths = clips["clip_end"].to_numpy() - clips["clip_start"].to_numpy()
    decoding = min(float(lengths.sum()) / DECODED_SEC_PER_SEC, video_bytes / DECODED_BYTES_PER_SEC)
    return decoding + len(clips) * SEC_PER_CLIP


def covered_seconds(clips: pa.Table) -> float:
    """Return how many seconds of source video the windows of a clip table cover; overlaps count once."""
    video = clips["video_uid"].combine_chunks().dictionary_encode().indices.to_numpy()
    start, end = clips["clip_start"].to_numpy(), clips["clip_end"].to_numpy()
    total, reached, of = 0.0, -np.inf, -1
    for i in np.lexsort((start, video)):
        if video[i] != of:
            of, reached = video[i], -np.inf
        total += max(0.0, end[i] - max(start[i], reached))
        reached = max(reached, end[i])
    return float(total)


class CutRate:
    """What a run has done since it began; earlier runs' shards count neither as work nor as time."""

    def __init__(self, clips_left: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin now, with so many clips to cut."""
        self._clock, self._began = clock, clock()
        self.clips_left = clips_left
        self._clips, self._failed, self._video_sec = 0, 0, 0.0

    def add(self, clips: int, failed: int, video_sec: float) -> None:
        """Count a finished shard."""
        self._clips += clips
        self.clips_left -= clips
        self._failed += failed
        self._video_sec += video_sec

    @property
    def samples(self) -> int:
        """Clips that were cut and did not fail."""
        return self._clips - self._failed

    def __str__(self) -> str:
        """Say it: clips/s, hours of video cut per hour, failures, time left."""
        seconds = self._clock() - self._began
        if not self._clips or seconds <= 0:
            return ""
        parts = [f"{self._clips / seconds:,.1f} clips/s", f"{self._video_sec / seconds:,.1f} h of video/h"]
        if self._failed:
            parts.append(f"{self._failed:,} failed")
        if self.clips_left:
            parts.append(f"{in_words(self.clips_left / self._clips * seconds)} left")
        return ", ".join(parts)
