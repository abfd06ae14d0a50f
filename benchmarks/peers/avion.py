"""AVION's layout: chunks of 15 s at 288 pixels, x264's defaults, read by decord with one thread."""

from __future__ import annotations

import decord
import numpy as np

from benchmarks.peers.chunked import Chunks, Loader
from benchmarks.peers.data import Data

PACKAGE = "decord"


def build(data: Data) -> None:
    """The chunks are there."""


def _frames(path: str, indices: np.ndarray) -> np.ndarray:
    reader = decord.VideoReader(path, num_threads=1)
    return reader.get_batch(np.minimum(indices, len(reader) - 1)).asnumpy()


def open(data: Data, workers: int) -> Loader:
    """Return the loader."""
    return Loader(Chunks(data, "avion", _frames), workers)
