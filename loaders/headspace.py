"""The first batches of a stream, over and over: how fast a trainer would be if data cost nothing."""

from collections.abc import Iterator

from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import EpochBatches

CACHED = 4


class Headspace(Iterator[Batch]):
    """As many batches as an epoch has left, all but the first few of them repeats; the stream's step counts as usual.

    For measuring only: a model trained on it has seen little.
    """

    def __init__(self, batches: EpochBatches, cached: int = CACHED) -> None:
        """Read `cached` batches, or all there are, before the first is handed out."""
        self._batches = batches
        self._left = len(batches)
        self._cache = [batches.pull() for _ in range(min(cached, self._left))]
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
        batch = self._cache[self._pulled % len(self._cache)]
        self._pulled, self._left = self._pulled + 1, self._left - 1
        return batch

    def handed(self) -> None:
        """Count one pulled batch as having reached the user."""
        self._batches.handed()
