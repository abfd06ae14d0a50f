"""A run's clips: the stream that its config asks for, and its batches on the device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.device import crop, prefetch
from egocurate.loaders.headspace import Headspace
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.throughput import Throughput


def open_stream(config: TrainConfig, ranks: Ranks) -> Stream:
    """Return this rank's stream; raises InputError for shards, weights or ranks that do not fit."""
    if not config.shards:
        raise InputError("a run needs clips: --shards FOLDER")
    share = {"rank": ranks.rank, "world": ranks.size}
    return stream(
        config.shards, batch_size=config.batch_size, weights=config.weights or None, config=config.data, **share
    )


def next_batches(
    config: TrainConfig, data: Stream, ranks: Ranks, steps: int, throughput: Throughput
) -> Iterator[tuple[int, Batch]]:
    """Yield (epoch, this rank's next batch on its device), from where the stream stands, over the ends of epochs."""
    while steps:
        epoch = data.state_dict()["epoch"]
        rest = data.epoch(epoch)
        batches = prefetch(Headspace(rest) if config.headspace else rest, ranks.device)
        while steps:
            with throughput.spend("waiting"):
                batch = next(batches, None)
            if batch is None:
                break
            yield epoch, _cropped(batch, config.data.size)
            steps -= 1


def _cropped(batch: Batch, size: int) -> Batch:
    """Return the batch as the model sees it; with data.crop=device its clips arrive as stored."""
    if batch.views is None:
        return batch
    return replace(batch, frames=crop(batch.frames, batch.views, size), views=None)
