"""Several sets of shards in one stream: which set each place of a batch draws from, and which of its samples.

Like `loaders.order.epoch_order`, a pure function of (indexes, weights, seed, step, global batch size G): no ranks, no
workers, no state. Places are counted through the whole run: place j of the batch of step b is place t = b G + j.

1. The sets share the places one after another, the heaviest first: of the first t places it gets
   floor(t w / (w + all lighter) + 1/2), the next set its part of those left over, and so on. So every batch, and every
   rank's slice of it, has the proportions up to rounding, and what rounding owes is carried over: of the k-th heaviest
   set the draws are never more than (1 + 1/1 + ... + 1/(k - 1)) / 2 off, however long the run. Nothing is random here.
2. A pass of a set, its own epoch, is a fixed number of batches: as many as the set can fill with each sample at most
   once (`pass_steps`). It begins at a batch, so no sample meets itself in one.
3. In a pass the first m samples of the set in each batch are an `epoch_order` of the set with batches of m: as many as
   every batch has, less the few that make m a multiple of enough streams. The odd samples above m come from shards put
   aside for that, a stretch of them for the first odd sample of the batches, then one for the second: a neighbourhood
   parted by a cut between these is all that can meet itself more than the data need.

With one set this is `epoch_order` as it is.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.order.counter_rng import Purpose, generator, permutation
from egocurate.loaders.order.epoch_order import MAX_STREAMS, epoch_order, steps_per_epoch, stream_count

LONGEST_PASS = 1 << 23  # batches: a set with next to no weight is given up short of its end, past any run's


class ShardSet(NamedTuple):
    """The columns of an index: shard int32[N], neighbourhood int64[N], as `epoch_order` takes them."""

    shard: np.ndarray
    neighbourhood: np.ndarray


class MixedBatch(NamedTuple):
    """A global batch: of each of the G anchors the set, the set's own epoch and the sample, int64[G] each."""

    source: np.ndarray
    epoch: np.ndarray
    sample: np.ndarray


def shares(weights: Sequence[float], sets: int) -> tuple[float, ...]:
    """Return the weights over their sum; raises InputError unless there is a positive one for each set."""
    if len(weights) != sets:
        raise InputError(f"there are {len(weights)} weights for {sets} shard folders: give one for each")
    if not all(0 < weight < np.inf for weight in weights):
        raise InputError(f"weights {list(weights)} are not all positive numbers: leave a folder out to give it none")
    return tuple(float(weight) / float(sum(weights)) for weight in weights)


def drawn(share: Sequence[float], places: np.ndarray) -> np.ndarray:
    """Return how many of the first t places each set gets, int64[sets, ...], for t = places int64[...]."""
    counts = np.empty((len(share), *np.shape(places)), dtype=np.int64)
    left, weight = np.asarray(places, dtype=np.int64), 1.0
    heaviest_first = np.argsort(-np.asarray(share), kind="stable").tolist()
    for number in heaviest_first[:-1]:
        # Both factors and their floor grow with t, so no count ever falls.
        counts[number] = np.floor(left * min(1.0, share[number] / weight) + 0.5)
        left, weight = left - counts[number], weight - share[number]
    counts[heaviest_first[-1]] = left
    return counts


def pass_steps(samples: Sequence[int], share: Sequence[float], global_batch: int) -> list[int]:
    """Return how many batches a pass of each set lasts; raises InputError for a set that cannot fill its part of one.

    Of N samples a pass leaves out fewer than a batch's part, and the few that rounding may ask for.
    """
    if len(samples) == 1:
        return [steps_per_epoch(samples[0], global_batch)]
    spare = 1 + sum(1 / k for k in range(1, len(samples)))  # twice what a count may be off, at either end of the pass
    steps = []
    for number, (size, part) in enumerate(zip(samples, share, strict=True)):
        steps.append(int(min((size - spare) // (part * global_batch), LONGEST_PASS)))
        if steps[-1] < 1:
            raise InputError(
                f"shard folder {number + 1} of {len(samples)} has {size} samples, too few for its "
                f"{part:.3g} of a batch of {global_batch}: give it less weight, or make the batch smaller"
            )
    return steps


@dataclass(frozen=True)
class _Pass:
    """A set's samples in the order drawn; batch i of the pass takes samples[ends[i] : ends[i + 1]]."""

    epoch: int
    samples: np.ndarray
    ends: np.ndarray


class Mixture:
    """The global batches of a run over shard sets, by step; the present pass of each set is kept in memory."""

    def __init__(self, sets: Sequence[ShardSet], share: Sequence[float], *, seed: int, global_batch: int) -> None:
        """Mix the sets by `shares`; raises InputError for a batch that a set cannot fill."""
        self.share, self.global_batch = tuple(share), global_batch
        self.pass_steps = pass_steps([len(columns.shard) for columns in sets], share, global_batch)
        self._sets = list(sets)
        self._seeds = [set_seed(seed, number) for number in range(len(sets))]
        self._passes: dict[int, _Pass] = {}

    def copy(self) -> "Mixture":
        """Return the same mixture with passes of its own, for another thread that reads other steps."""
        other = copy.copy(self)
        other._passes = {}
        return other

    def batch(self, step: int) -> MixedBatch:
        """Return the batch of a step, counted from the start of the run."""
        source = self._sources(step)
        epoch, sample = np.empty_like(source), np.empty_like(source)
        for number, steps in enumerate(self.pass_steps):
            present, at = divmod(step, steps)
            of_set, places = self._pass(number, present), source == number
            epoch[places], sample[places] = present, of_set.samples[of_set.ends[at] : of_set.ends[at + 1]]
        return MixedBatch(source, epoch, sample)

    def _sources(self, step: int) -> np.ndarray:
        places = np.arange(step * self.global_batch, (step + 1) * self.global_batch + 1)
        return np.diff(drawn(self.share, places), axis=1).argmax(axis=0)

    def _pass(self, number: int, epoch: int) -> _Pass:
        """Return the pass that is a set's own epoch."""
        if number not in self._passes or self._passes[number].epoch != epoch:
            steps = self.pass_steps[number]
            edges = np.arange(epoch * steps, (epoch + 1) * steps + 1) * self.global_batch
            counts = np.diff(drawn(self.share, edges)[number])
            columns, draw = self._sets[number], {"seed": self._seeds[number], "epoch": epoch}
            if len(self._sets) == 1:
                samples = epoch_order(*columns, **draw, global_batch=self.global_batch).ravel()
            else:
                samples = pass_order(columns, counts, **draw)
            self._passes[number] = _Pass(epoch, samples, np.append(0, np.cumsum(counts)))
        return self._passes[number]


def set_seed(seed: int, number: int) -> int:
    """Return the seed of a set: the run's own for the first, others for the next, so that no two sets draw alike."""
    return seed + (number << 48)


def pass_order(columns: ShardSet, counts: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
    """Return a set's samples int64[sum(counts)], no one twice, batch after batch, counts int64[steps] to each."""
    least, steps = _dealt(int(counts.min()), int(columns.shard.max()) + 1), len(counts)
    odd = counts - least
    aside, rest = _put_aside(columns.shard, int(odd.sum()), seed, epoch)
    ends = np.append(0, np.cumsum(counts))
    order = np.empty(ends[-1], dtype=np.int64)
    if least:
        dealt = epoch_order(
            columns.shard[rest], columns.neighbourhood[rest], seed=seed, epoch=epoch, global_batch=least
        )
        order[ends[:-1, None] + np.arange(least)] = rest[dealt[:steps]]
    rng = generator(seed, epoch, Purpose.ODD)
    for column in range(int(odd.max())):
        asking = ends[:-1][odd > column] + least + column
        order[asking] = aside[: len(asking)][permutation(rng, len(asking))]
        aside = aside[len(asking) :]
    return order


def _dealt(least: int, shards: int) -> int:
    """Return the largest number up to `least` of anchors a batch that `epoch_order` parts in nearly all the streams
    that it may have: a prime number would all be read from one."""
    enough = (m for m in range(least, 0, -1) if 2 * stream_count(m, shards) >= min(m, shards, MAX_STREAMS))
    return next(enough, 0)


def _put_aside(shard: np.ndarray, count: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` samples of the first shards in a random order, shard after shard, and all others, ascending."""
    if count == 0:
        return np.empty(0, dtype=np.int64), np.arange(len(shard))
    sizes = np.bincount(shard)
    turn = permutation(generator(seed, epoch, Purpose.ASIDE), len(sizes))
    needed = turn[: np.searchsorted(np.cumsum(sizes[turn]), count) + 1]
    wanted = np.zeros(len(sizes), dtype=bool)
    wanted[needed] = True
    candidates = np.flatnonzero(wanted[shard])
    aside = candidates[np.argsort(np.argsort(turn)[shard[candidates]], kind="stable")][:count]
    others = np.ones(len(shard), dtype=bool)
    others[aside] = False
    return aside, np.flatnonzero(others)
