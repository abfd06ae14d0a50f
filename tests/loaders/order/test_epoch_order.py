import hashlib
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.errors import InputError
from egocurate.loaders.order import epoch_order as epoch_module
from egocurate.loaders.order.epoch_order import (
    MAX_STREAMS,
    WINDOW_SHARDS,
    EpochOrder,
    epoch_order,
    rank_slice,
    steps_per_epoch,
    stream_count,
)
from egocurate.loaders.order.sample_runs import SampleRuns

ROOT = Path(__file__).parents[3]


def make_index(sizes, per_shard):
    """Neighbourhoods of the given sizes, packed whole into shards of about per_shard clips, as plan_shards does."""
    shard, now, filled = [], 0, 0
    for size in sizes:
        if filled and filled + size > per_shard:
            now, filled = now + 1, 0
        shard += [now] * size
        filled += size
    return np.array(shard, dtype=np.int32), np.repeat(np.arange(len(sizes)) * 7 + 3, sizes)


@st.composite
def cases(draw):
    sizes = draw(st.lists(st.integers(1, draw(st.sampled_from([3, 12, 60]))), min_size=1, max_size=120))
    shard, neighbourhood = make_index(sizes, draw(st.integers(1, 40)))
    world = draw(st.integers(1, 6))
    per_rank = draw(st.integers(1, max(1, min(16, len(shard) // world))))
    return shard, neighbourhood, world, world * per_rank


def order(shard, neighbourhood, batch, seed=0, epoch=0):
    return epoch_order(shard, neighbourhood, seed=seed, epoch=epoch, global_batch=batch)


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(-3, 2**40), st.integers(0, 1000))
def test_every_anchor_at_most_once_and_all_but_the_tail(case, seed, epoch):
    shard, neighbourhood, _, batch = case
    if batch > len(shard):
        with pytest.raises(InputError, match="larger than the data set"):
            order(shard, neighbourhood, batch)
        return
    got = order(shard, neighbourhood, batch, seed, epoch)
    assert got.shape == (len(shard) // batch, batch)
    assert got.dtype == np.int64
    assert len(np.unique(got)) == got.size
    assert got.min() >= 0 and got.max() < len(shard)


@settings(max_examples=300, deadline=None)
@given(cases(), st.integers(0, 100))
def test_a_neighbourhood_is_spread_as_thin_as_the_data_allow(case, epoch):
    shard, neighbourhood, _, batch = case
    if batch > len(shard):
        return
    groups = neighbourhood[order(shard, neighbourhood, batch, epoch=epoch)]
    for name, total in zip(*np.unique(groups, return_counts=True), strict=True):
        most = (groups == name).sum(axis=1).max()
        assert most == -(-total // len(groups))  # no arrangement has less than the ceiling of the mean


@settings(max_examples=100, deadline=None)
@given(cases())
def test_ranks_part_the_same_batches(case):
    shard, neighbourhood, world, batch = case
    if batch > len(shard):
        return
    whole = order(shard, neighbourhood, batch)
    parts = [rank_slice(whole, rank, world) for rank in range(world)]
    assert len({part.shape for part in parts}) == 1
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


@pytest.mark.parametrize("batch", [8, 24, 64])
def test_streams_stay_in_their_shards(batch):
    rng = np.random.default_rng(0)
    shard, neighbourhood = make_index(rng.integers(1, 20, 3000), 50)
    shards = shard.max() + 1
    got = order(shard, neighbourhood, batch, seed=5)
    streams = stream_count(batch, shards)
    for world in (w for w in range(1, streams + 1) if streams % w == 0):
        touched = [set(shard[rank_slice(got, rank, world)].ravel().tolist()) for rank in range(world)]
        for rank, mine in enumerate(touched):
            others = set().union(*(t for r, t in enumerate(touched) if r != rank))
            assert len(mine & others) <= 2


def test_a_stream_reads_one_window_of_shards_at_a_time():
    rng = np.random.default_rng(1)
    shard, neighbourhood = make_index(rng.integers(1, 20, 20000), 250)
    got = order(shard, neighbourhood, 4)
    # Here an epoch has many windows, and still no batch holds a neighbourhood twice.
    assert (np.diff(np.sort(neighbourhood[got], axis=1), axis=1) > 0).all()
    stream = shard[got][:, 3]
    span = WINDOW_SHARDS * len(shard) // (shard.max() + 1)
    assert len(stream) > 8 * span
    # A stretch as long as a window lies in two windows at most; windows are up to 1/8 longer, and share shards at ends.
    for start in range(0, len(stream) - span, span // 3):
        assert len(np.unique(stream[start : start + span])) <= 2.5 * WINDOW_SHARDS


def test_epochs_and_seeds_differ_and_the_tail_moves():
    shard, neighbourhood = make_index([5] * 41, 50)
    left_out = []
    seen = set()
    for seed in range(3):
        for epoch in range(20):
            got = order(shard, neighbourhood, 16, seed, epoch)
            seen.add(got.tobytes())
            left_out.append(np.setdiff1d(np.arange(len(shard)), got))
    assert len(seen) == 60
    assert all(len(rows) == 205 % 16 for rows in left_out)
    # 60 epochs leave 780 places empty among 205 samples: each sample about 4 times.
    counts = np.bincount(np.concatenate(left_out), minlength=205)
    assert (counts > 0).sum() > 190 and counts.max() < 15


def test_batches_mix_neighbourhoods_at_random():
    """Two neighbourhoods of a window meet about as often as chance has it."""
    shard, neighbourhood = make_index([10] * 64, 640)
    together = np.zeros((64, 64))
    for epoch in range(60):
        for batch in (neighbourhood[order(shard, neighbourhood, 16, epoch=epoch)] - 3) // 7:
            together[np.ix_(batch, batch)] += 1
    meetings = together[np.triu_indices(64, 1)]
    expected = 60 * 40 * 16 * 15 / (64 * 63)
    assert abs(meetings.mean() - expected) < 0.01 * expected
    assert meetings.std() < 2 * np.sqrt(expected)


def test_steps_do_not_depend_on_place_in_the_index():
    """The first batches of an epoch come from all over the index."""
    shard, neighbourhood = make_index([5] * 2000, 100)
    first = np.concatenate([order(shard, neighbourhood, 20, epoch=epoch)[0] for epoch in range(50)])
    assert abs(first.mean() / len(shard) - 0.5) < 0.05


def test_same_in_another_process():
    code = (
        "import numpy as np, hashlib\n"
        "from egocurate.loaders.order.epoch_order import epoch_order\n"
        "o = epoch_order(np.repeat(np.arange(9, dtype=np.int32), 30), np.repeat(np.arange(54), 5), seed=3, epoch=2,"
        " global_batch=16)\n"
        "print(hashlib.sha256(np.ascontiguousarray(o.astype('<i8')).tobytes()).hexdigest())"
    )
    runs = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for _ in "ab"
    }
    # Written down so that a change of the order, which would break every saved state, does not go unseen.
    assert runs == {"fe0bee31a440c07b4befe12322cc217b1be4dbeaba1ad77ac2a1982d4e60d1f7\n"}


@pytest.mark.parametrize(
    ("names", "digest"),
    [
        (5000, "f32eb50157cbc9b49b94825f3de1cacf5e4582e768948263fce0dbda553b4797"),
        (4000, "6e358f2ca370919ba1eb35cf8eba4480547c6fc1df8c093999ff70f210667ac5"),  # some stand in two places
    ],
)
@pytest.mark.parametrize("drawn_at_once", [1000, epoch_module.DRAWN_AT_ONCE])
def test_the_order_of_several_windows_stays(monkeypatch, names, digest, drawn_at_once):
    monkeypatch.setattr(epoch_module, "DRAWN_AT_ONCE", drawn_at_once)
    neighbourhood = np.repeat(np.arange(5000), np.arange(5000) * 7919 % 19 + 1)
    shard = (np.arange(len(neighbourhood)) // 40).astype(np.int32)
    got = order(shard, neighbourhood % names, 24, seed=3, epoch=2)
    assert hashlib.sha256(got.astype("<i8").tobytes()).hexdigest() == digest


@settings(max_examples=100, deadline=None)
@given(cases(), st.integers(0, 100), st.data())
def test_a_batch_is_that_of_the_whole_epoch(case, epoch, data):
    shard, neighbourhood, _, batch = case
    if batch > len(shard):
        return
    whole = order(shard, neighbourhood, batch, epoch=epoch)
    alone = EpochOrder(SampleRuns.of(shard, neighbourhood), seed=0, epoch=epoch, global_batch=batch)
    assert alone.steps == len(whole)
    for step in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)):
        assert np.array_equal(alone.batch(step), whole[step])


def test_an_epoch_is_never_in_memory():
    neighbourhood = np.arange(10_000_000) // 20
    shard = (neighbourhood // 12).astype(np.int32)
    tracemalloc.start()
    runs = SampleRuns.of(shard[:1000], neighbourhood[:1000])  # what numpy loads at its first use is not counted
    EpochOrder(runs, seed=0, epoch=0, global_batch=8).batch(5)
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    EpochOrder(SampleRuns.of(shard, neighbourhood), seed=0, epoch=0, global_batch=64).batch(1000)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 0.75 * neighbourhood.nbytes  # all batches together would be as large as that column


def test_stream_count():
    assert stream_count(512, 15000) == 64
    assert stream_count(512, 40) == 32
    assert stream_count(24, 7) == 6
    assert stream_count(7, 100) == 7
    assert stream_count(97, 90) == 1
    assert stream_count(65 * 3, 10_000) == 39 <= MAX_STREAMS


def test_what_cannot_be_shared_is_refused():
    with pytest.raises(InputError, match="batch size 10 cannot be shared by 4 ranks"):
        rank_slice(np.zeros(10), 0, 4)
    with pytest.raises(InputError, match="rank 4"):
        rank_slice(np.zeros(8), 4, 4)
    with pytest.raises(InputError, match="not positive"):
        steps_per_epoch(10, 0)
    with pytest.raises(InputError, match="larger than the data set"):
        steps_per_epoch(0, 1)
