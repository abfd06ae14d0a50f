"""EgoCurate's own stream over shards of a profile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks.peers.common import BATCH, SHOWN, Batch
from benchmarks.peers.data import Data
from egocurate.loaders.clip_stream import stream

PACKAGE = "egocurate"
PROFILE = "train"


def build(data: Data) -> None:
    """The shards are there."""


class Loader:
    """The stream; a trainer hands its state over as this does."""

    def __init__(self, data: Data, workers: int, profile: str = PROFILE) -> None:
        """Open the shards."""
        config = replace(SHOWN, workers=workers)
        self._stream, self._epoch = stream(data.shards(profile), batch_size=BATCH, config=config), 0

    def epoch(self) -> Iterator[Batch]:
        """Yield an epoch, or the rest of it."""
        for batch in self._stream.epoch(self._epoch):
            yield batch.texts, batch.frames
        self._epoch += 1

    def state(self) -> dict:
        """Return where the stream stands."""
        return self._stream.state_dict()

    def load(self, state: dict) -> None:
        """Stand there."""
        self._stream.load_state_dict(state)


def open(data: Data, workers: int) -> Loader:
    """Return the stream over the `train` profile."""
    return Loader(data, workers)
