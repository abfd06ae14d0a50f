"""How well the order shuffles, and what it costs, on an index of Ego4D's size: `python -m benchmarks.shuffle`.

Compared, as pure simulations over the same index, with a full shuffle and with webdataset's way: the shards in a random
order, parted among ranks and workers, each worker with a buffer from which it draws at random.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.negatives import EGOCLIP_ROWS
from benchmarks.record import figure, write_record
from egocurate.loaders.order.epoch_order import MAX_STREAMS, epoch_order
from egocurate.loaders.order.mixture import Mixture, ShardSet

BATCH, SMALL_ROWS, SMALL_BATCH = 512, 20_000, 256
PER_SHARD, PER_VIDEO = 256, 400
RANKS, WORKERS = 8, 4
PLOT = Path(__file__).parents[1] / "docs" / "shuffle.png"


class Columns(NamedTuple):
    """What an index says of each sample, int64[N]."""

    shard: np.ndarray
    neighbourhood: np.ndarray
    video: np.ndarray


def invent(rows: int) -> Columns:
    """Return columns like Ego4D's: 1 to 41 clips a neighbourhood, about 400 a video, never parted by shards."""
    sizes = np.random.default_rng(0).integers(1, 42, rows)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), rows) + 1]
    neighbourhood = np.repeat(np.arange(len(sizes)), sizes)[:rows]
    start = np.cumsum(sizes) - sizes
    return Columns((start // PER_SHARD)[neighbourhood], neighbourhood, (start // PER_VIDEO)[neighbourhood])


def buffered(columns: Columns, batch: int, buffer: int, rng: np.random.Generator) -> np.ndarray:
    """Return the batches int64[steps, batch] of shards parted among ranks and workers, each with a shuffle buffer."""
    order = rng.permutation(int(columns.shard.max()) + 1)
    edges = np.searchsorted(columns.shard, np.arange(len(order) + 1))
    share = batch // RANKS
    ranks = []
    for rank in range(RANKS):
        own = order[rank::RANKS]
        workers = []
        for worker in range(WORKERS):
            line = np.concatenate([np.arange(edges[s], edges[s + 1]) for s in own[worker::WORKERS]])
            drawn = _through_buffer(line, buffer, rng)
            workers.append(drawn[: len(drawn) // share * share].reshape(-1, share))
        steps = min(map(len, workers))
        ranks.append(np.stack([each[:steps] for each in workers], axis=1).reshape(-1, share))
    steps = min(map(len, ranks))
    return np.concatenate([each[:steps] for each in ranks], axis=1)


def _through_buffer(line: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a line as a buffer gives it: each sample read takes the place of one drawn; at the end what is left."""
    held, given = line[:size].tolist(), []
    places = (rng.random(len(line) - len(held)) * len(held)).astype(int).tolist()
    for place, sample in zip(places, line[len(held) :].tolist(), strict=True):
        given.append(held[place])
        held[place] = sample
    return np.array(given + rng.permutation(held).tolist(), dtype=np.int64)


def quality(order: np.ndarray, columns: Columns) -> dict[str, float]:
    """Return what a batch holds of one video and one shard, how often a neighbourhood meets itself, and how far apart
    the clips of a neighbourhood, a video and a shard land, in batches."""
    found = {}
    for name in ("video", "shard", "neighbourhood"):
        of = getattr(columns, name)[order]
        most = _most_in_a_row(of)
        if name == "neighbourhood":
            found["batches with two anchors of one neighbourhood"] = float((most > 1).mean())
        else:
            found[f"share of a batch from one {name}, mean of the largest"] = float(most.mean() / order.shape[1])
            found[f"share of a batch from one {name}, the largest of all"] = float(most.max() / order.shape[1])
        gaps = _gaps(of)
        found[f"batches between clips of one {name}, over those of an epoch, median"] = float(
            np.median(gaps) / len(order)
        )
    return found


def meetings(columns: Columns, batch: int) -> list[dict[str, object]]:
    """Return how often clips that a batch, or a rank's slice of it, holds together meet again in the next epoch."""
    first, second = (
        epoch_order(columns.shard, columns.neighbourhood, seed=0, epoch=epoch, global_batch=batch) for epoch in (0, 1)
    )
    figures = []
    for ranks in (1, RANKS, MAX_STREAMS):
        size = batch // ranks
        slice_of = np.full(len(columns.shard), -1)
        slice_of[first.ravel()] = np.arange(first.size) // size
        before = np.sort(slice_of[second.reshape(-1, size)], axis=1)
        pairs, length = 0, np.zeros(len(before), dtype=np.int64)
        for place in range(1, size):
            same = (before[:, place] == before[:, place - 1]) & (before[:, place] >= 0)
            length = np.where(same, length + 1, 0)
            pairs += int(length.sum())
        chance = before.size * (size - 1) / 2 * (size - 1) / (len(columns.shard) - 1)
        what = f"mates in a slice of {size} of a batch of {batch} that meet again in the next epoch"
        figures.append(figure(f"{len(columns.shard):,} clips, {what}", pairs / chance, "times as many as by chance"))
    return figures


def _most_in_a_row(names: np.ndarray) -> np.ndarray:
    """Return how often the commonest name of each row stands in it."""
    ordered = np.sort(names, axis=1)
    most = np.ones(len(names), dtype=np.int64)
    length = np.ones(len(names), dtype=np.int64)
    for place in range(1, names.shape[1]):
        length = np.where(ordered[:, place] == ordered[:, place - 1], length + 1, 1)
        np.maximum(most, length, out=most)
    return most


def _gaps(names: np.ndarray) -> np.ndarray:
    """Return the batches between random pairs of samples of one name."""
    flat = names.ravel()
    step = np.arange(flat.size) // names.shape[1]
    rng = np.random.default_rng(1)
    by_name = np.lexsort((rng.random(flat.size), flat))
    same = flat[by_name][1:] == flat[by_name][:-1]
    return np.abs(np.diff(step[by_name]))[same]


def measure(rows: int = EGOCLIP_ROWS, plot: Path | None = None) -> list[dict[str, object]]:
    """Order the data sets in each way and return the figures; draws the full one's plot."""
    figures = []
    for size, batch in ((rows, BATCH), (SMALL_ROWS, SMALL_BATCH)):
        columns = invent(size)
        found = {}
        for name, order in ways(columns, batch).items():
            found[name] = quality(order(), columns)
            figures += [
                figure(f"{size:,} clips, {name}: {what}", 100 * value, "%") for what, value in found[name].items()
            ]
        if plot is not None and size == rows:
            draw(found, plot)
    mates = [each for batch in (BATCH, 8 * BATCH) for each in meetings(invent(rows), batch)]
    return figures + mates + cost(rows)


def ways(columns: Columns, batch: int) -> dict[str, Callable[[], np.ndarray]]:
    """Return the ways to order an epoch by name."""
    rng = np.random.default_rng(2)
    rows = len(columns.shard)
    steps = rows // batch
    return {
        "ours": lambda: epoch_order(columns.shard, columns.neighbourhood, seed=0, epoch=0, global_batch=batch),
        "full shuffle": lambda: rng.permutation(rows)[: steps * batch].reshape(steps, batch),
        "buffers of 1,000": lambda: buffered(columns, batch, 1000, rng),
        "buffers of 10,000": lambda: buffered(columns, batch, 10_000, rng),
    }


def cost(rows: int) -> list[dict[str, object]]:
    """Return seconds and bytes of one epoch's order, and of a batch in the midst of a mixture."""
    columns = invent(rows)
    sets = [ShardSet(columns.shard, columns.neighbourhood), ShardSet(*(each[: rows // 5] for each in columns[:2]))]
    began = time.perf_counter()
    order = epoch_order(columns.shard, columns.neighbourhood, seed=0, epoch=1, global_batch=BATCH)
    order_sec, kept = time.perf_counter() - began, order.nbytes
    del order
    mixture = Mixture(sets, (0.8, 0.2), seed=0, global_batch=BATCH)
    began = time.perf_counter()
    mixture.batch(123_456)
    jump_sec = time.perf_counter() - began
    began = time.perf_counter()
    for step in range(123_457, 124_457):
        mixture.batch(step)
    batch_sec = (time.perf_counter() - began) / 1000
    tracemalloc.start()
    epoch_order(columns.shard, columns.neighbourhood, seed=0, epoch=2, global_batch=BATCH)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return [
        figure(f"{rows:,} clips: an epoch's order", order_sec, "s", "<= 1"),
        figure(f"{rows:,} clips: memory of an epoch's order, kept", kept / rows, "bytes a sample"),
        figure(f"{rows:,} clips: memory while it is made, peak", peak / rows, "bytes a sample"),
        figure("mixture with a second set of a fifth: the batch of step 123,456, from nothing", jump_sec, "s", "<= 1"),
        figure("mixture: a batch, on the average", batch_sec * 1e3, "ms"),
        figure("clips that the buffers of 10,000 hold in memory", 10_000 * RANKS * WORKERS, "clips"),
    ]


def draw(found: dict[str, dict[str, float]], out: Path) -> None:
    """Write a bar for each way and figure."""
    what = list(next(iter(found.values())))
    fig, axes = plt.subplots(2, 4, figsize=(17, 6.5), layout="constrained")
    for axis, name in zip(axes.ravel(), what, strict=False):
        axis.bar(list(found), [100 * each[name] for each in found.values()], color=["C3", "C0", "C7", "C7"])
        axis.bar_label(axis.containers[0], fmt="%.3g %%")
        axis.set_title(name.replace(", ", ",\n", 1), fontsize=9)
        axis.tick_params(axis="x", labelrotation=15, labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes.ravel()[len(what) :]:
        axis.set_visible(False)
    fig.savefig(out, dpi=110)
    plt.close(fig)


def main() -> None:
    """Measure, keep the figures and draw docs/shuffle.png."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=EGOCLIP_ROWS)
    write_record("shuffle", measure(parser.parse_args().rows, PLOT))


if __name__ == "__main__":
    main()
