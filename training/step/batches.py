"""A run's clips: the stream that its config asks for, and its batches on the device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.device import crop, prefetch
from egocurate.loaders.headspace import Headspace
from egocurate.loaders.workers.choose_workers import with_workers, workers_line
from egocurate.loaders.workers.host import this_rank
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


def with_workers_chosen(config: TrainConfig) -> tuple[TrainConfig, list[str]]:
    """Return the config with as many workers as this rank's cores and memory allow, where it leaves that open.

    And a line that says so. The number of ranks is torchrun's, which have not met yet.
    """
    if config.data.workers != AUTO_WORKERS:
        return config, []
    anchors, machine = max(1, config.batch_size // int(os.environ.get("WORLD_SIZE", "1"))), this_rank()
    on_gpu = config.device != "cpu" and torch.cuda.is_available()
    # A model on the CPU wants most of the cores itself.
    share = machine if on_gpu else machine._replace(cores=1 + machine.cores // 4)
    data = with_workers(config.data, anchors, share)
    return replace(config, data=data), [workers_line(data, anchors, machine)]


def next_batches(
    config: TrainConfig, data: Stream, ranks: Ranks, steps: int, throughput: Throughput
) -> Iterator[tuple[int, Batch]]:
    """Yield (epoch, this rank's batch on its device) for so many steps, from where the stream stands on.

    The end of an epoch is the beginning of the next. The time spent waiting for a batch goes to `throughput`.
    """
    while steps:
        epoch = data.state_dict()["epoch"]
        rest_of_epoch = data.epoch(epoch)
        batches = prefetch(Headspace(rest_of_epoch) if config.headspace else rest_of_epoch, ranks.device)
        while steps:
            with throughput.waiting():
                batch = next(batches, None)
            if batch is None:
                break
            yield epoch, _cropped(batch, config.data.size)
            steps -= 1


@contextmanager
def lost_workers_named(data: Stream) -> Iterator[None]:
    """Turn the error that a killed worker process brings into one that names the worker and what it was reading.

    PyTorch raises it from a signal, wherever the loop happens to be.
    """
    try:
        yield
    except RuntimeError as error:
        lost = data.lost_worker(error)
        if lost is None:
            raise
        raise lost from None


def _cropped(batch: Batch, size: int) -> Batch:
    """Return the batch as the model sees it; with data.crop=device its clips arrive as stored."""
    if batch.views is None:
        return batch
    return replace(batch, frames=crop(batch.frames, batch.views, size), views=None)
