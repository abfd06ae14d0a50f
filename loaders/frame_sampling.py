"""Which frames of a clip a model sees: pure functions, by name; and where all clips of a long video lie.

All return ascending indices; a clip with fewer frames than asked shows some of them more than once. They count frames
as stored: a stride of s frames of a source at f frames per second is one of s x 8 / f where 8 per second are stored.
"""

import re
from collections.abc import Callable

import numpy as np

from egocurate.errors import InputError

FrameSampler = Callable[[int, int, np.random.Generator], np.ndarray]
"""(frames in the clip, frames wanted T, generator) -> int64[T]"""


def frame_sampler(name: str) -> FrameSampler:
    """Return the sampler called `segments-random`, `segments-middle`, `uniform` or `stride-<n>`, else InputError."""
    stride = re.fullmatch(r"stride-([1-9]\d*)", name)
    if stride:
        step = int(stride[1])
        return lambda count, frames, rng: strided(count, frames, step, rng)
    if name not in _SAMPLERS:
        raise InputError(f"no way to pick frames is called {name!r}: take one of {', '.join(_SAMPLERS)}, stride-<n>")
    return _SAMPLERS[name]


def segments_random(count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return one random frame of each of T equal parts of the clip, int64[T] (EgoVLP's training, arXiv 2206.01670 §5).

    The parts have real-valued borders, so every frame can be drawn whatever the remainder of count / T.
    """
    return _floor((np.arange(frames) + rng.random(frames)) * (count / frames), count)


def segments_middle(count: int, frames: int, _rng: np.random.Generator | None = None) -> np.ndarray:
    """Return the middle frame of each of T equal parts of the clip, int64[T] (EgoVLP's evaluation)."""
    return (2 * np.arange(frames, dtype=np.int64) + 1) * count // (2 * frames)


def uniform(count: int, frames: int, _rng: np.random.Generator | None = None) -> np.ndarray:
    """Return T frames at equal distances from the first to the last, int64[T]; the middle one for T = 1."""
    if frames == 1:
        return np.array([(count - 1) // 2], dtype=np.int64)
    return np.rint(np.arange(frames) * ((count - 1) / (frames - 1))).astype(np.int64)


def strided(count: int, frames: int, stride: int, rng: np.random.Generator) -> np.ndarray:
    """Return T frames `stride` apart from a random start, int64[T] (VideoMAE, arXiv 2203.12602 §7).

    Every start with which all T frames lie in the clip is equally likely. A clip too short for that starts at its first
    frame, and what lies past its end is its last frame again.
    """
    slack = max(0, count - ((frames - 1) * stride + 1))
    start = _floor(rng.random(1) * (slack + 1), slack + 1)[0]
    return np.minimum(start + np.arange(frames, dtype=np.int64) * stride, count - 1)


def dense(count: int, frames: int, *, rate: float, fps: float) -> np.ndarray:
    """Return all clips of a video of `count` frames at `fps`, `rate` clips per second, as frames int64[N, T].

    Clip n is the middle frames of T equal parts of [n, n + 1) / rate seconds; a part of a clip at the end is left out,
    a video shorter than one clip is one. Features for Ego4D's NLQ and MQ have T = 4 and 1.875 clips per second, one for
    each 16 frames at 30 per second (1.87 in EgoVLP's code). Raises InputError unless rate and fps are positive.
    """
    if not (rate > 0 and fps > 0):
        raise InputError(f"rate {rate} and fps {fps} must be positive")
    length = min(fps / rate, count)
    clips = int(count / length + 1e-9)  # 16 frames at 30/1.875 are one clip whatever the last bit
    parts = np.arange(clips)[:, None] + (np.arange(frames) + 0.5) / frames
    return _floor(parts * length, count)


def overlapping(length_sec: float, *, window_sec: float, stride_sec: float) -> np.ndarray:
    """Return windows all along a video as (start, end) in seconds, float64[N, 2], each `stride_sec` after the other.

    Where the last of these ends before the video does, one more ends with it; a video shorter than a window is one.
    Raises InputError unless all are positive and no part is left out between two windows.
    """
    if not (length_sec > 0 and 0 < stride_sec <= window_sec):
        raise InputError(f"windows of {window_sec} s, {stride_sec} s apart: give a stride above 0, at most the window")
    room = max(0.0, length_sec - window_sec)
    starts = np.arange(int(room / stride_sec + 1e-9) + 1) * stride_sec
    if room - starts[-1] > 1e-6:
        starts = np.append(starts, room)
    return np.stack([starts, np.minimum(starts + window_sec, length_sec)], axis=1)


def middles_of_stretches(stretches: np.ndarray, frames: int, *, fps: float, count: int) -> np.ndarray:
    """Return the middle frames of T equal parts of stretches float64[N, 2], in seconds, as frames int64[N, T]."""
    starts, seconds = stretches[:, :1], np.diff(stretches, axis=1)
    return _floor((starts + seconds * (np.arange(frames) + 0.5) / frames) * fps, count)


def _floor(position: np.ndarray, count: int) -> np.ndarray:
    # A product just under count can round up to count.
    return np.minimum(position.astype(np.int64), count - 1)


_SAMPLERS: dict[str, FrameSampler] = {
    "segments-random": segments_random,
    "segments-middle": segments_middle,
    "uniform": uniform,
}
