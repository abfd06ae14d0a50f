"""Which frames of a clip a model sees: pure pickers, by name.

All return ascending indices; a clip with fewer frames than asked shows some of them more than once.
"""

import re
from collections.abc import Callable

import numpy as np

from shards.errors import InputError

Picker = Callable[[int, int, np.random.Generator], np.ndarray]
"""(frames in the clip, frames wanted T, generator) -> int64[T]"""


def picker(name: str) -> Picker:
    """Return the picker called `segments-random`, `segments-middle`, `uniform` or `stride-<n>`, else InputError."""
    stride = re.fullmatch(r"stride-([1-9]\d*)", name)
    if stride:
        step = int(stride[1])
        return lambda count, frames, rng: strided(count, frames, step, rng)
    if name not in _PICKERS:
        raise InputError(f"no way to pick frames is called {name!r}: take one of {', '.join(_PICKERS)}, stride-<n>")
    return _PICKERS[name]


def segments_random(count: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return one random frame of each of T equal parts of the clip, int64[T] (EgoVLP's training, arXiv 2206.01670 §5).

    The parts have real-valued borders, so every frame can be drawn whatever the remainder of count / T.
    """
    return _floor((np.arange(frames) + rng.random(frames)) * (count / frames), count)


def segments_middle(count: int, frames: int, _rng: np.random.Generator | None = None) -> np.ndarray:
    """Return the middle frame of each of T equal parts of the clip, int64[T] (EgoVLP's evaluation)."""
    return _floor((np.arange(frames) + 0.5) * (count / frames), count)


def uniform(count: int, frames: int, _rng: np.random.Generator | None = None) -> np.ndarray:
    """Return T frames at equal distances from the first to the last, int64[T]; the middle one for T = 1."""
    if frames == 1:
        return np.array([(count - 1) // 2], dtype=np.int64)
    return np.rint(np.arange(frames) * ((count - 1) / (frames - 1))).astype(np.int64)


def strided(count: int, frames: int, stride: int, rng: np.random.Generator) -> np.ndarray:
    """Return T frames `stride` apart from a random start, int64[T]; what lies past the end is the last frame."""
    slack = max(0, count - ((frames - 1) * stride + 1))
    start = _floor(rng.random(1) * (slack + 1), slack + 1)[0]
    return np.minimum(start + np.arange(frames, dtype=np.int64) * stride, count - 1)


def _floor(position: np.ndarray, count: int) -> np.ndarray:
    # A product just under count can round up to count.
    return np.minimum(position.astype(np.int64), count - 1)


_PICKERS: dict[str, Picker] = {
    "segments-random": segments_random,
    "segments-middle": segments_middle,
    "uniform": uniform,
}
