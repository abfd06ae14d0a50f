"""EgoCurate's own stream over shards of the `fast` profile."""

from __future__ import annotations

from benchmarks.peers.data import Data
from benchmarks.peers.ours import PACKAGE, Loader, build

__all__ = ["PACKAGE", "PROFILE", "build", "open"]
PROFILE = "fast"


def open(data: Data, workers: int) -> Loader:
    """Return the stream over the `fast` profile."""
    return Loader(data, workers, PROFILE)
