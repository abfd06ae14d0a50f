"""SPDL: threads of one process, each without the interpreter's lock in its own decoder; it offers no state."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import spdl.io
import torch
from spdl.pipeline import PipelineBuilder

from benchmarks.peers.common import BATCH, SEED, SHOWN, Batch, Shown, cropped, draw, stacked
from benchmarks.peers.data import Data
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.shards.video.decode import frames_at

PACKAGE = "spdl-core"


def build(data: Data) -> None:
    """It reads our tars as they are."""


class Loader:
    """A pipeline over our shards: tars in a random order, clips decoded and batched by threads."""

    def __init__(self, data: Data, workers: int) -> None:
        """Find the shards; threads start with an epoch."""
        self._tars = sorted(data.shards("train").glob("*.tar"))
        self._workers, self._rng = workers, random.Random(SEED)

    def epoch(self) -> Iterator[Batch]:
        """Yield an epoch."""
        self._rng.shuffle(self._tars)
        builder = PipelineBuilder().add_source(_samples(self._tars)).pipe(_shown, concurrency=self._workers)
        pipeline = builder.aggregate(BATCH, drop_last=True).pipe(stacked).add_sink(2).build(num_threads=self._workers)
        with pipeline.auto_stop():
            yield from pipeline


def _samples(tars: list[Path]) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield (key, mp4, json) of each clip; a tar holds the json of a clip right before its mp4."""
    for tar in tars:
        about = b""
        with tar.open("rb") as file:
            for name, content in spdl.io.iter_tarfile(file):
                key, _, kind = name.partition(".")
                if kind == "json":
                    about = bytes(content)
                elif kind == "mp4":
                    yield key, bytes(content), about


def _shown(sample: tuple[str, bytes, bytes]) -> Shown:
    """Decode only what the drawn frames are built on, as SPDL's own sampling does, then crop as all do."""
    key, mp4, about = sample
    rng = draw()
    indices = frame_sampler(SHOWN.pick)(json.loads(about)["frame_count"], SHOWN.frames, rng)

    def decode(distinct: list[int]) -> torch.Tensor:
        frames = spdl.io.sample_decode_video(spdl.io.demux_video(mp4), distinct)
        return spdl.io.to_torch(spdl.io.convert_frames(frames))

    return cropped(key, frames_at(indices, decode).permute(0, 3, 1, 2), rng)


def open(data: Data, workers: int) -> Loader:
    """Return the loader."""
    return Loader(data, workers)
