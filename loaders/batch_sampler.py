"""The DataLoader's batch sampler: what a rank reads, batch by batch, and its shards fetched before they are needed."""

from collections.abc import Iterator, Sequence

import numpy as np

from egocurate.loaders.order.epoch_order import rank_slice
from egocurate.loaders.order.mixture import Mixture
from egocurate.loaders.shard_prefetch import ShardPrefetch, first_needs
from egocurate.shards.read.index import ShardIndex


class BatchPlan:
    """This rank's (set, epoch, sample) of the steps between two, counted from the start of the run."""

    def __init__(self, indexes: Sequence[ShardIndex], mixture: Mixture, rank: int, world: int) -> None:
        """Be empty until `start`; raises InputError for a rank that cannot be or a batch that cannot be shared."""
        rank_slice(np.empty(mixture.global_batch), rank, world)
        self._indexes, self._mixture, self._rank, self._world = indexes, mixture, rank, world
        self._first = self._end = 0
        self._prefetches: list[ShardPrefetch] = []

    def start(self, first: int, end: int) -> None:
        """Give the batches of steps first to end - 1 to whoever iterates next."""
        self._first, self._end = first, end

    def stop(self) -> None:
        """Prefetch no further shard."""
        for prefetch in self._prefetches:
            prefetch.stop()
        self._prefetches = []

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._end - self._first

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        """Yield each batch as (set, the set's epoch, sample) of its anchors."""
        first, end = self._first, self._end
        self._start_prefetches()
        for step in range(first, end):
            for prefetch in self._prefetches:
                prefetch.reached(step - first)
            yield list(zip(*self._rank_batch(self._mixture, step).tolist(), strict=True))

    def _rank_batch(self, mixture: Mixture, step: int) -> np.ndarray:
        """Return (set, the set's epoch, sample) of this rank's anchors of a step, int64[3, G / world]."""
        return rank_slice(np.stack(mixture.batch(step)), self._rank, self._world)

    def _start_prefetches(self) -> None:
        """Prefetch the shards of each set that has a cache, in the order of their need.

        Begun when the loader asks for its first batch: by then the workers have forked, and threads would not have come
        along.
        """
        self.stop()
        for number, index in enumerate(self._indexes):
            if index.reader.cache is not None:
                self._prefetches.append(ShardPrefetch(index.reader, self._needs(number)))

    def _needs(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield (steps from now, shard) of a set: the steps planned, then as many as the set's next epoch has."""
        first, end = self._first, self._end
        mixture, shard = self._mixture.copy(), self._indexes[number].shard
        for steps in (range(first, end), range(end, end + mixture.pass_steps[0])):
            seen = set()
            for step in steps:
                source, _, sample = self._rank_batch(mixture, step)
                for _, needed in first_needs(shard[sample[source == number]][None]):
                    if needed not in seen:
                        seen.add(needed)
                        yield step - first, needed
