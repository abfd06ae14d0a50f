"""The first batches of a stream, over and over: how fast a trainer would be if data cost nothing."""

from collections.abc import Iterator

import torch

from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import EpochBatches

CACHED = 4


class Headspace(Iterator[Batch]):
    """As many batches as an epoch has left, all but the first few of them repeats; the stream's step counts as usual.

    For measuring only: a model trained on it has seen little.
    """

    def __init__(self, batches: EpochBatches, cached: int = CACHED) -> None:
        """Read `cached` batches, or all there are, when the first is asked for."""
        self._batches = batches
        self._left = len(batches)
        self._cached = min(cached, self._left)
        self._cache: list[Batch] = []
        self._pulled = 0

    def __len__(self) -> int:
        """Return how many batches are left."""
        return self._left

    def __next__(self) -> Batch:
        """Return the next batch, counted."""
        batch = self.pull()
        self.handed()
        return batch

    def pull(self) -> Batch:
        """Return the next batch uncounted; see `loaders.device.Counted`."""
        if not self._left:
            raise StopIteration
        self._cache = self._cache or [self._batches.pull() for _ in range(self._cached)]
        batch = self._cache[self._pulled % len(self._cache)]
        self._pulled, self._left = self._pulled + 1, self._left - 1
        return batch

    def decode_on(self, device: torch.device) -> None:
        """Say where batches go; those that are shown again and again are decoded once."""
        self._batches.decode_on(device)

    def pull_encoded(self) -> Batch:
        """Return what `pull` does."""
        return self.pull()

    def decode(self, batch: Batch) -> Batch:
        """Return a batch as it is."""
        return batch

    def handed(self) -> None:
        """Count one pulled batch as having reached the user."""
        self._batches.handed()
