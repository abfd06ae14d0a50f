"""The plan of every rank of 512, told of each other by torch's process group that only pretends to send."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from egocurate.loaders.batch_sampler import BatchPlan
from egocurate.loaders.order.epoch_order import epoch_order
from egocurate.loaders.order.mixture import Mixture, ShardSet
from egocurate.loaders.ranks import rank_and_world
from egocurate.shards.read.shard_reader import ShardReader

WORLD, BATCH, SEED = 512, 2048, 3


class Index:
    """The columns that a plan reads: 20,000 clips in 100 shards, one to nine neighbours together."""

    reader = ShardReader([])

    def __init__(self):
        samples = 20_000
        sizes = np.random.default_rng(0).integers(1, 10, samples)
        self.neighbourhood = np.repeat(np.arange(samples), sizes)[:samples]
        self.shard = (np.arange(samples) // 200).astype(np.int32)


@contextmanager
def being(rank):
    """Be one of 512 ranks for a block."""
    dist.init_process_group("fake", rank=rank, world_size=WORLD, store=FakeStore())
    try:
        yield
    finally:
        dist.destroy_process_group()


def planned(index, mixture, first, end):
    """The (set, epoch, sample) of this process, whichever rank it is: int64 [steps, anchors, 3]."""
    plan = BatchPlan([index], mixture, *rank_and_world())
    plan.start(first, end)
    return np.array(list(plan))


@pytest.fixture(scope="module")
def everyone():
    """What each of the 512 ranks reads in the second epoch: [rank, step, anchor, 3]."""
    index = Index()
    sets = [ShardSet(index.shard, index.neighbourhood)]
    mixture = Mixture(sets, (1.0,), seed=SEED, global_batch=BATCH)
    steps, plans = mixture.pass_steps[0], []
    for rank in range(WORLD):
        with being(rank):
            assert rank_and_world() == (rank, WORLD)
            plans.append(planned(index, mixture, steps, 2 * steps))
    return index, steps, np.stack(plans)


def test_each_rank_has_its_slice_of_the_global_batch(everyone):
    index, steps, plans = everyone
    batches = epoch_order(index.shard, index.neighbourhood, seed=SEED, epoch=1, global_batch=BATCH)
    share = BATCH // WORLD
    assert plans.shape == (WORLD, steps, share, 3)
    for rank in range(WORLD):
        assert np.array_equal(plans[rank, :, :, 2], batches[:, rank * share : (rank + 1) * share])


def test_every_clip_is_read_once_in_an_epoch(everyone):
    index, steps, plans = everyone
    assert np.all(plans[..., 0] == 0) and np.all(plans[..., 1] == 1)
    assert len(np.unique(plans[..., 2])) == plans[..., 2].size == steps * BATCH
    assert len(index.shard) - steps * BATCH < BATCH  # what fills no batch is left out


def test_ranks_of_a_stream_read_its_shards(everyone):
    """100 shards are cut into 64 streams, so that 8 ranks share a stream, which touches three shards at most."""
    index, _, plans = everyone
    streams = index.shard[plans[..., 2]].reshape(64, -1)
    assert max(len(set(stream)) for stream in streams.tolist()) <= 3
