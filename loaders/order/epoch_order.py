"""Which sample when: the order of training as a pure function of (index, seed, epoch, global batch size).

It knows no ranks, workers or machines. Steps of an epoch of N anchors at global batch G:

1. The N mod G anchors that fill no batch are drawn at random and left out: others each epoch, so every anchor is seen
   at most once an epoch and none is left out for good. steps = N // G.
2. The shards, in a random order, are laid end to end and cut into C streams of steps * G / C anchors each. C is the
   largest divisor of G up to 64 and to the number of shards. A cut may fall inside a shard.
3. A stream is cut into windows of about WINDOW_SHARDS shards, and at least as many batches as the largest neighbourhood
   has clips. Inside a window whole neighbourhoods are shuffled, then each is dealt out to the window's batches.
4. Batch b is G / C anchors of stream 0, then of stream 1, ... Rank r of R reads slice r of it: its own streams' shards,
   and at most two that it shares with its neighbours.

Dealing makes the strongest promise that the data allow: of a neighbourhood with m anchors in the epoch no batch holds
more than ceil(m / steps). A neighbourhood smaller than the number of steps never meets itself in a batch.

What is drawn for a window has a place of its own in the epoch's stream of random numbers. So a window is made when a
batch of it is asked for, out of the runs of the data (`sample_runs`), and an epoch is never in memory as a whole.
"""

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.order.counter_rng import Purpose, generator, permutation
from egocurate.loaders.order.sample_runs import SampleRuns

MAX_STREAMS = 64
WINDOW_SHARDS = 16
DRAWN_AT_ONCE = 1 << 20


def epoch_order(
    shard: np.ndarray, neighbourhood: np.ndarray, *, seed: int, epoch: int, global_batch: int
) -> np.ndarray:
    """Return the anchors of every batch of an epoch, int64[steps, global_batch] with steps = N // global_batch.

    shard int32[N], ascending, and neighbourhood int64[N] are the index's columns. Raises InputError if there are fewer
    than global_batch samples.
    """
    order = EpochOrder(SampleRuns.of(shard, neighbourhood), seed=seed, epoch=epoch, global_batch=global_batch)
    return np.concatenate([order.window(number) for number in range(order.windows)])


class EpochOrder:
    """The batches of an epoch, each made with those of its window when it is asked for."""

    def __init__(self, runs: SampleRuns, *, seed: int, epoch: int, global_batch: int) -> None:
        """Draw what the whole epoch shares; raises InputError if there are fewer than global_batch samples."""
        samples = len(runs)
        self.steps, self._runs, self._global_batch = steps_per_epoch(samples, global_batch), runs, global_batch
        self._streams = stream_count(global_batch, runs.shards)
        self._name = seed, epoch, Purpose.ORDER
        rng = generator(*self._name)
        self._shards = permutation(rng, runs.shards)
        left_out = _least_of_random(rng, samples, samples - self.steps * global_batch)
        # Where each neighbourhood stands among those of its window.
        self._turn = permutation(generator(*self._name, drawn=runs.shards + samples), runs.groups)
        self._drawn = runs.shards + samples + runs.groups

        # A place of the line is the n-th of its shard's samples that are not left out.
        self._left_out_before = left_out - np.arange(len(left_out))
        bounds = np.append(0, np.cumsum(runs.shard_sizes))
        bounds -= np.searchsorted(left_out, bounds)
        self._first_of_shard, sizes = bounds[self._shards], np.diff(bounds)[self._shards]
        self._line_ends = np.cumsum(sizes)
        self._line_starts = self._line_ends - sizes

        batches = WINDOW_SHARDS * samples / runs.shards / (global_batch // self._streams)  # of a window
        self.windows = max(1, self.steps // max(int(np.ceil(batches)), runs.largest_group))
        self._window: tuple[int, np.ndarray] | None = None

    def batch(self, step: int) -> np.ndarray:
        """Return the anchors of a step, int64[global_batch]."""
        # The window w with w * steps // windows <= step < (w + 1) * steps // windows.
        number = ((step + 1) * self.windows - 1) // self.steps
        if self._window is None or self._window[0] != number:
            self._window = number, self.window(number)
        return self._window[1][step - number * self.steps // self.windows]

    def window(self, number: int) -> np.ndarray:
        """Return the anchors of all batches of a window, int64[batches, global_batch]."""
        first, last = (self.steps * edge // self.windows for edge in (number, number + 1))
        streams, width, batches = self._streams, self._global_batch // self._streams, last - first
        stream = np.arange(streams)[:, None] * self.steps
        samples, group = self._runs.at(self._places((stream + first) * width + np.arange(batches * width)))
        key = self._turn[group]
        if self.windows == 1:
            key = _pin_to_cuts(key)
        turn = np.argsort(key, axis=1, kind="stable")
        # One window: what a cut parts in two lies in the same batches, so all streams are dealt as one line.
        shape = (streams, width, batches) if self.windows > 1 else (1, streams * width, batches)
        lots, group = (np.take_along_axis(values, turn, axis=1).reshape(shape) for values in (samples, group))
        rng = generator(*self._name, drawn=self._drawn + first * self._global_batch)
        dealt = np.empty((shape[0], batches, shape[1]), dtype=np.int64)
        np.put_along_axis(dealt, _deal(group, rng).transpose(0, 2, 1), lots.transpose(0, 2, 1), axis=1)
        return dealt.transpose(1, 0, 2).reshape(batches, self._global_batch)

    def _places(self, line: np.ndarray) -> np.ndarray:
        """Return the places among the runs of places in the line, int64[...]."""
        shard = np.searchsorted(self._line_ends, line, side="right")
        remaining = self._first_of_shard[shard] + line - self._line_starts[shard]
        return remaining + np.searchsorted(self._left_out_before, remaining, side="right")


def steps_per_epoch(samples: int, global_batch: int) -> int:
    """Return the number of whole batches in an epoch; raises InputError if there is none."""
    if global_batch < 1:
        raise InputError(f"batch size {global_batch} is not positive")
    if samples < global_batch:
        raise InputError(f"batch size {global_batch} is larger than the data set ({samples} samples): make it smaller")
    return samples // global_batch


def stream_count(global_batch: int, shards: int) -> int:
    """Return C, the largest divisor of the global batch up to MAX_STREAMS and to the number of shards."""
    return max(c for c in range(1, max(1, min(MAX_STREAMS, shards)) + 1) if global_batch % c == 0)


def rank_slice(batch: np.ndarray, rank: int, world: int) -> np.ndarray:
    """Return rank's share [..., G / world] of the batch(es) [..., G]; raises InputError if world does not divide G."""
    size = batch.shape[-1]
    if not 0 <= rank < world:
        raise InputError(f"rank {rank} is not one of the {world} ranks")
    if size % world:
        raise InputError(f"batch size {size} cannot be shared by {world} ranks: take a multiple of {world}")
    share = size // world
    return batch[..., rank * share : (rank + 1) * share]


def _least_of_random(rng: np.random.Generator, count: int, wanted: int) -> np.ndarray:
    """Return where the least of the next `count` numbers stand, int64[wanted], ascending."""
    if wanted == 0:
        return np.empty(0, dtype=np.int64)
    values, places = np.empty(0), np.empty(0, dtype=np.int64)
    for begin in range(0, count, DRAWN_AT_ONCE):
        draw = rng.random(min(DRAWN_AT_ONCE, count - begin))
        near = np.flatnonzero(draw <= (values.max() if len(values) == wanted else 1))
        values, places = np.append(values, draw[near]), np.append(places, near + begin)
        if len(values) > wanted:
            least = np.argpartition(values, wanted)[:wanted]
            values, places = values[least], places[least]
    return np.sort(places)


def _pin_to_cuts(key: np.ndarray) -> np.ndarray:
    """Return the sorting keys [streams, n] changed so that a neighbourhood parted by a cut stays at both its sides."""
    pinned = key.copy()
    parted = key[1:, 0] == key[:-1, -1]
    pinned[:-1][(key[:-1] == key[:-1, -1:]) & parted[:, None]] = np.iinfo(key.dtype).max
    # Second, so that a stream that lies inside one neighbourhood counts as continuing it.
    pinned[1:][(key[1:] == key[1:, :1]) & parted[:, None]] = -1
    return pinned


def _deal(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the batch [lines, columns, batches] of each cell, where each column is dealt one cell to each batch.

    group has the neighbourhood of each cell, those of a neighbourhood standing together along columns, then cells. A
    column deals its cells in a random order, but for those that go on with the last neighbourhood of the column before:
    they take the batches that its FIRST cells took, which are others than its last cells took. So the two ends of a
    neighbourhood meet in a batch only if together they are longer than a column.
    """
    lines, columns, batches = group.shape
    place = np.empty((lines, columns, batches), dtype=np.int64)
    keys = rng.random((lines, batches))
    place[:, 0] = np.argsort(keys, axis=1)
    cell = np.arange(batches)
    for c in range(1, columns):
        before = place[:, c - 1]
        goes_on = np.where(group[:, c, 0] == group[:, c - 1, -1], (group[:, c] == group[:, c, :1]).sum(axis=1), 0)
        keys = rng.random((lines, batches))
        first = np.take_along_axis(keys, before, axis=1) - (cell < goes_on[:, None])
        np.put_along_axis(keys, before, first, axis=1)
        dealt = np.argsort(keys, axis=1)
        # A column inside one neighbourhood repeats the column before, so that the rule holds across it.
        place[:, c] = np.where((goes_on == batches)[:, None], before, dealt)
    return place
