"""A data set as its runs: stretches of samples that stand together and are of one shard and one neighbourhood.

There are some twenty times fewer runs than samples, and all that an order asks of the data follows from them. So no
array with a number for each sample is ever made, however large the index; the index itself is read in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

PIECE_SAMPLES = 1 << 20


@dataclass(frozen=True)
class SampleRuns:
    """The runs of N samples in the order of the index: int64[R] each.

    Places count the samples of these runs, 0 to N - 1: where runs
    have been left out, they are fewer than the samples of the index.
    """

    first: np.ndarray  # sample with which each run begins
    size: np.ndarray
    shard: np.ndarray
    neighbourhood: np.ndarray

    @classmethod
    def of(cls, shard: np.ndarray, neighbourhood: np.ndarray) -> SampleRuns:
        """Return the runs of an index's columns, shard int32[N], ascending, and neighbourhood int64[N]."""
        starts = []
        for begin in range(0, len(shard), PIECE_SAMPLES):
            before, end = max(0, begin - 1), begin + PIECE_SAMPLES
            is_new = np.diff(shard[before:end]) != 0
            is_new |= np.diff(neighbourhood[before:end]) != 0
            starts.append(np.flatnonzero(is_new) + before + 1)
        first = np.concatenate([np.zeros(min(1, len(shard)), np.int64), *starts])
        size = np.diff(first, append=len(shard))
        return cls(first, size, shard[first].astype(np.int64), neighbourhood[first])

    @cached_property
    def ends(self) -> np.ndarray:
        """The place after the last of each run, int64[R]."""
        return np.cumsum(self.size)

    def __len__(self) -> int:
        """Return the number of samples."""
        return int(self.ends[-1]) if len(self.size) else 0

    @property
    def shards(self) -> int:
        """Number of shards, by the highest of their numbers."""
        return int(self.shard.max(initial=-1)) + 1

    @cached_property
    def shard_sizes(self) -> np.ndarray:
        """How many samples each shard has, int64[shards]."""
        # A sum of whole numbers in doubles is exact up to 2^53.
        return np.bincount(self.shard, weights=self.size, minlength=self.shards).astype(np.int64)

    @cached_property
    def _names(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of each run's neighbourhood among all, by name, int64[R]; and how many samples each one has."""
        if (np.diff(self.neighbourhood) > 0).all():
            return np.arange(len(self.size)), self.size
        names, group = np.unique(self.neighbourhood, return_inverse=True)
        return group, np.bincount(group, weights=self.size, minlength=len(names)).astype(np.int64)

    @property
    def groups(self) -> int:
        """Number of neighbourhoods."""
        return len(self._names[1])

    @property
    def largest_group(self) -> int:
        """Samples of the largest neighbourhood."""
        return int(self._names[1].max())

    def at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sample and the number of its neighbourhood at each place, int64[...] both."""
        run = np.searchsorted(self.ends, places, side="right")
        return self.first[run] + places - (self.ends[run] - self.size[run]), self._names[0][run]

    def without(self, shards: np.ndarray, samples: np.ndarray) -> SampleRuns:
        """Return the runs without whole shards, bool[shards], and without some samples of others, int64[n] ascending.

        Shards keep their numbers.
        """
        kept = ~shards[self.shard]
        first, size = self.first[kept], self.size[kept]
        shard, neighbourhood = self.shard[kept], self.neighbourhood[kept]
        # Each of these samples parts its run in two, of which either may be empty: one ends, another begins after it.
        run = np.searchsorted(first, samples, side="right") - 1
        begins = np.insert(first, run + 1, samples + 1)
        ends = np.insert(first + size, run + 1, (first + size)[run])
        ends[run + np.arange(len(run))] = samples
        shard, neighbourhood = (np.insert(names, run + 1, names[run]) for names in (shard, neighbourhood))
        left = ends > begins
        return SampleRuns(begins[left], (ends - begins)[left], shard[left], neighbourhood[left])
