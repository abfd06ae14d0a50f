"""How many cores feed a GPU: clips per second of a stream, by profile, against what the GPU takes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

RATES = Path(__file__).with_name("stream_rates.json")  # written by `python -m benchmarks.stream_rates`
MOST_WAIT = 0.03  # share of the time for which a GPU may have nothing to do
SPARE = 1.2  # workers over what is needed on average: clips are not equally long
TRAINER = 1  # cores that a rank's own process takes


class StreamRate(NamedTuple):
    """Clips per second that a core decodes, crops and batches, of so many frames of so many pixels on a side."""

    frames: int
    size: int
    clips_per_core_sec: float


class Feed(NamedTuple):
    """A profile as the food of one GPU: from the low to the high end of what the GPU takes."""

    profile: str
    clips_per_core_sec: float
    cores: tuple[float, float]
    """needed a GPU, beside the one of the rank's own process"""
    workers: int
    """to set `data.workers` to"""
    data_wait: tuple[float, float]
    """share of the time, 0 to 1, for which the GPU waits with that many workers"""
    most_clips_per_sec: float
    """that a GPU may take with that many workers before it waits for more than `MOST_WAIT`"""
    bytes_per_clip: int


@cache
def read_rates(path: Path = RATES) -> dict[str, tuple[list[StreamRate], int]]:
    """Return of each profile what was measured of it, and the bytes of its clips of 1 to 2 s."""
    profiles = json.loads(path.read_text())["profiles"]
    return {
        name: ([StreamRate(**rate) for rate in one["rates"]], one["bytes_per_clip"]) for name, one in profiles.items()
    }


def clips_per_core_sec(rates: list[StreamRate], frames: int, size: int) -> float:
    """Return the rate of clips of so many frames and pixels.

    A clip's time is a sum of a part for itself, one for each frame and one for each pixel, from three measured rates.
    """
    import numpy as np

    parts = np.array([[1, rate.frames, rate.frames * rate.size**2] for rate in rates], dtype=float)
    seconds = np.linalg.solve(parts, [1 / rate.clips_per_core_sec for rate in rates])
    return float(1 / (seconds @ [1, frames, frames * size**2]))


def shortage(
    profiles: Mapping[str, float], frames: int, size: int, clips_per_sec: tuple[float, float], workers: int
) -> str:
    """Return a line if a GPU that takes so many clips is expected to wait for more than `MOST_WAIT`, else "".

    profiles: those of the shards at hand, each with its share of the clips, one in all. The rates are those of another
    machine, and about right; of a profile that was not measured nothing is said.
    """
    known = read_rates()
    if not workers or not profiles.keys() <= known.keys():
        return ""
    seconds = sum(share / clips_per_core_sec(known[name][0], frames, size) for name, share in profiles.items())
    supply = workers / seconds
    low, high = clips_per_sec
    wait = 1 - supply / high
    if wait <= MOST_WAIT:
        return ""
    rates = {name: clips_per_core_sec(rates, frames, size) for name, (rates, _) in known.items()}
    ways = [f"`{name}` shards" for name, rate in rates.items() if rate > 1.01 / seconds]
    return (
        f"{workers} workers give about {supply:,.0f} clips/s of `{'` and `'.join(profiles)}`, the GPU takes "
        f"{low:,.0f} to {high:,.0f}: it may wait for data {wait:.0%} of the time; take "
        + " or ".join([*ways, "data.decode=device", "more cores"])
    )


def feeds(
    frames: int, size: int, clips_per_sec: tuple[float, float], cores: int | None, profiles: Mapping | None = None
) -> Iterator[Feed]:
    """Give each profile as the food of a GPU that takes so many clips; cores: those of a GPU, None for enough."""
    for name, (rates, clip_bytes) in (profiles or read_rates()).items():
        rate = clips_per_core_sec(rates, frames, size)
        low, high = (clips / rate for clips in clips_per_sec)
        workers = math.ceil(SPARE * high)
        if cores is not None:
            workers = max(1, min(workers, cores - TRAINER))
        supply = workers * rate
        waits = tuple(max(0.0, 1 - supply / clips) for clips in clips_per_sec)
        yield Feed(name, rate, (low, high), workers, waits, supply / (1 - MOST_WAIT), clip_bytes)
