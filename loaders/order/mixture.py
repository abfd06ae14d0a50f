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
   aside for that, of the last one a random part, so that the turn of every sample comes: a stretch of them for the
   first odd sample of the batches, then one for the second. A neighbourhood parted by a cut between these is all that
   can meet itself more than the data need.

With one set this is `epoch_order` as it is.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.order.counter_rng import Purpose, generator, permutation
from egocurate.loaders.order.epoch_order import MAX_STREAMS, EpochOrder, steps_per_epoch, stream_count
from egocurate.loaders.order.sample_runs import SampleRuns

ORDER_OF_ONE_SET, ORDER_OF_SEVERAL = 1, 2
"""Versions of the rules above: a state that another version left does not say what was drawn so far."""

LONGEST_PASS = 1 << 23  # batches: a set with next to no weight is given up short of its end, past any run's


class ShardSet(NamedTuple):
    """The columns of an index: shard int32[N], ascending, and neighbourhood int64[N], as `epoch_order` takes them."""

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


class Mixture:
    """The global batches of a run over shard sets, by step; each set's present pass is kept, not its batches."""

    def __init__(self, sets: Sequence[ShardSet], share: Sequence[float], *, seed: int, global_batch: int) -> None:
        """Mix the sets by `shares`; raises InputError for a batch that a set cannot fill."""
        self.share, self.global_batch = tuple(share), global_batch
        self.pass_steps = pass_steps([len(columns.shard) for columns in sets], share, global_batch)
        self._sets = [SampleRuns.of(*columns) for columns in sets]
        self._seeds = [set_seed(seed, number) for number in range(len(sets))]
        self._passes: dict[int, tuple[int, EpochOrder | SetPass]] = {}

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
            places = source == number
            epoch[places], sample[places] = present, self._pass(number, present).batch(at)
        return MixedBatch(source, epoch, sample)

    def _sources(self, step: int) -> np.ndarray:
        places = np.arange(step * self.global_batch, (step + 1) * self.global_batch + 1)
        return np.diff(drawn(self.share, places), axis=1).argmax(axis=0)

    def _pass(self, number: int, epoch: int) -> "EpochOrder | SetPass":
        """Return the pass that is a set's own epoch."""
        known = self._passes.get(number)
        if known is not None and known[0] == epoch:
            return known[1]
        self._passes.pop(number, None)  # Two passes of one set are never in memory.
        runs, draw = self._sets[number], {"seed": self._seeds[number], "epoch": epoch}
        if len(self._sets) == 1:
            made = EpochOrder(runs, **draw, global_batch=self.global_batch)
        else:
            steps = self.pass_steps[number]
            edges = np.arange(epoch * steps, (epoch + 1) * steps + 1) * self.global_batch
            made = SetPass(runs, np.diff(drawn(self.share, edges)[number]), **draw)
        self._passes[number] = epoch, made
        return made


def set_seed(seed: int, number: int) -> int:
    """Return the seed of a set: the run's own for the first, others for the next, so that no two sets draw alike."""
    return seed + (number << 48)


class SetPass:
    """A pass of a set: batches of counts int64[steps] samples, none of them twice."""

    def __init__(self, runs: SampleRuns, counts: np.ndarray, *, seed: int, epoch: int) -> None:
        """Draw what the whole pass shares."""
        self._least = _dealt(int(counts.min()), runs.shards)
        odd = counts - self._least
        aside, rest = _put_aside(runs, int(odd.sum()), generator(seed, epoch, Purpose.ASIDE))
        self._order = EpochOrder(rest, seed=seed, epoch=epoch, global_batch=self._least) if self._least else None
        self._ends = np.append(0, np.cumsum(odd))
        self._odd = np.empty(self._ends[-1], dtype=np.int64)
        rng = generator(seed, epoch, Purpose.ODD)
        for column in range(int(odd.max())):
            asking = self._ends[:-1][odd > column] + column
            self._odd[asking] = aside[: len(asking)][permutation(rng, len(asking))]
            aside = aside[len(asking) :]

    def batch(self, step: int) -> np.ndarray:
        """Return the samples of a step, int64[counts[step]]."""
        odd = self._odd[self._ends[step] : self._ends[step + 1]]
        return odd if self._order is None else np.append(self._order.batch(step), odd)


def _dealt(least: int, shards: int) -> int:
    """Return the largest number up to `least` of anchors a batch that `epoch_order` parts in nearly all the streams
    that it may have: a prime number would all be read from one."""
    enough = (m for m in range(least, 0, -1) if 2 * stream_count(m, shards) >= min(m, shards, MAX_STREAMS))
    return next(enough, 0)


def _put_aside(runs: SampleRuns, count: int, rng: np.random.Generator) -> tuple[np.ndarray, SampleRuns]:
    """Return `count` samples of the first shards in a random order, shard after shard, and the runs of all others.

    Of the last of these shards it is a random part: no sample stands where it would be left in every pass.
    """
    if count == 0:
        return np.empty(0, dtype=np.int64), runs
    sizes = runs.shard_sizes
    turn = permutation(rng, runs.shards)
    ends = np.cumsum(sizes[turn])
    whole = int(np.searchsorted(ends, count))  # all samples of so many shards, and some of the next
    starts = np.append(0, np.cumsum(sizes))
    wanted = [np.arange(starts[shard], starts[shard + 1]) for shard in turn[: whole + 1].tolist()]
    missing = count - (int(ends[whole - 1]) if whole else 0)
    wanted[-1] = wanted[-1][np.sort(permutation(rng, len(wanted[-1]))[:missing])]
    is_whole = np.zeros(runs.shards, dtype=bool)
    is_whole[turn[:whole]] = True
    return np.concatenate(wanted), runs.without(is_whole, wanted[-1])
