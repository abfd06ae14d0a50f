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
"""

import itertools

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.order.counter_rng import Purpose, generator, permutation

MAX_STREAMS = 64
WINDOW_SHARDS = 16


def epoch_order(
    shard: np.ndarray, neighbourhood: np.ndarray, *, seed: int, epoch: int, global_batch: int
) -> np.ndarray:
    """Return the anchors of every batch of an epoch, int64[steps, global_batch] with steps = N // global_batch.

    shard int32[N] and neighbourhood int64[N] are the index's columns, the clips of a neighbourhood standing together.
    Raises InputError if there are fewer than global_batch samples.
    """
    samples = len(shard)
    steps = steps_per_epoch(samples, global_batch)
    rng = generator(seed, epoch, Purpose.ORDER)
    line = _shuffled_shards(shard, samples - steps * global_batch, rng)
    streams = stream_count(global_batch, int(shard.max()) + 1 if samples else 0)
    return _deal_streams(line, shard, neighbourhood, (steps, streams, global_batch // streams), rng)


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


def _shuffled_shards(shard: np.ndarray, left_out: int, rng: np.random.Generator) -> np.ndarray:
    """Return int64[N - left_out] samples, shards in a random order, rows of a shard in that of the index."""
    shards = int(shard.max()) + 1
    place = np.argsort(permutation(rng, shards))
    line = np.argsort(place[shard], kind="stable")
    draw = rng.random(len(shard))
    if left_out == 0:
        return line
    remaining = np.ones(len(shard), dtype=bool)
    remaining[np.argpartition(draw, left_out)[:left_out]] = False
    return line[remaining[line]]


def _deal_streams(
    line: np.ndarray,
    shard: np.ndarray,
    neighbourhood: np.ndarray,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Cut the line into streams and windows and deal each window out; shape is (steps, streams, anchors per stream)."""
    steps, streams, width = shape
    names, group, sizes = np.unique(neighbourhood, return_inverse=True, return_counts=True)
    turn = permutation(rng, len(names))  # where each neighbourhood stands among those of its window
    window = WINDOW_SHARDS * len(shard) / (int(shard.max()) + 1) / width  # in batches
    windows = max(1, steps // max(int(np.ceil(window)), int(sizes.max())))
    edges = np.arange(windows + 1) * steps // windows

    lines = line.reshape(streams, steps * width)
    order = np.empty((steps, streams, width), dtype=np.int64)
    for first, last in itertools.pairwise(edges.tolist()):
        batches = last - first
        samples = lines[:, first * width : last * width]
        key = turn[group[samples]]
        if windows == 1:
            key = _pin_to_cuts(key)
        samples = np.take_along_axis(samples, np.argsort(key, axis=1, kind="stable"), axis=1)
        # One window: what a cut parts in two lies in the same batches, so all streams are dealt as one line.
        lots = samples.reshape((streams, width, batches) if windows > 1 else (1, streams * width, batches))
        dealt = np.empty((lots.shape[0], batches, lots.shape[1]), dtype=np.int64)
        np.put_along_axis(dealt, _deal(group[lots], rng).transpose(0, 2, 1), lots.transpose(0, 2, 1), axis=1)
        order[first:last] = dealt.transpose(1, 0, 2).reshape(batches, streams, width)
    return order.reshape(steps, streams * width)


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
