import hashlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.errors import InputError
from egocurate.loaders.order.epoch_order import epoch_order, rank_slice
from egocurate.loaders.order.mixture import Mixture, SetPass, ShardSet, drawn, pass_steps, shares
from egocurate.loaders.order.sample_runs import SampleRuns

WEIGHTS = [[1, 1], [3, 1], [0.9, 0.1], [1, 2, 3], [0.5, 0.499, 0.001], [1] * 7, [40, 3, 2, 1]]


def make_set(samples, seed, largest=12, per_shard=30):
    rng = np.random.default_rng(seed)
    hoods = np.repeat(np.arange(samples), rng.integers(1, largest + 1, samples))[:samples]
    return ShardSet((hoods // max(1, per_shard // largest)).astype(np.int32), hoods)


def mixture(sets, weights, batch, seed=0):
    return Mixture(sets, shares(weights, len(sets)), seed=seed, global_batch=batch)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9), st.integers(0, 10**12))
def test_what_a_set_has_drawn_is_never_far_from_its_share(weights, start):
    share = shares(weights, len(weights))
    places = np.arange(start, start + 500)
    counts = drawn(share, places)
    assert np.array_equal(counts.sum(axis=0), places)
    assert set(np.diff(counts, axis=1).ravel().tolist()) <= {0, 1}
    off = np.abs(counts - np.outer(share, places)).max(axis=1)[np.argsort(-np.asarray(share), kind="stable")]
    for rank, worst in enumerate(off, start=1):
        rank = min(rank, len(share) - 1) if rank == len(share) else rank
        assert worst <= (1 + sum(1 / k for k in range(1, rank))) / 2 + 1e-3


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("batch", [8, 60, 256])
def test_every_batch_and_every_rank_has_the_proportions(weights, batch):
    share = shares(weights, len(weights))
    edges = np.arange(0, 2000 * batch + 1, batch // 4)
    slices = np.diff(drawn(share, edges), axis=1)  # of four ranks
    slack = 2 * (1 + sum(1 / k for k in range(1, len(weights)))) / 2
    assert np.abs(slices - np.array(share)[:, None] * batch / 4).max() <= slack
    assert np.abs(slices.sum(axis=1) / slices.sum() - share).max() < slack / (2000 * batch)


@pytest.mark.parametrize("batch", [1, 8, 30])
def test_one_set_is_the_order_itself(batch):
    columns = make_set(400, 1)
    mixed = mixture([columns], [5], batch, seed=9)
    for epoch in range(3):
        order = epoch_order(*columns, seed=9, epoch=epoch, global_batch=batch)
        assert mixed.pass_steps == [len(order)]
        got = [mixed.batch(epoch * len(order) + step) for step in range(len(order))]
        assert np.array_equal([each.sample for each in got], order)
        assert all((each.epoch == epoch).all() and not each.source.any() for each in got)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("batch", [8, 20])
def test_a_pass_shows_each_sample_once_but_for_the_tail(weights, batch):
    sets = [make_set(700 + 311 * number, number) for number in range(len(weights))]
    mixed = mixture(sets, weights, batch)
    first = [mixed.batch(step) for step in range(3 * max(mixed.pass_steps[: len(weights) - 1]))]
    spare = 1 + sum(1 / k for k in range(1, len(weights)))
    for number, columns in enumerate(sets):
        steps = mixed.pass_steps[number]
        for which in range(len(first) // steps):
            own = [b.sample[b.source == number] for b in first[which * steps : (which + 1) * steps]]
            seen = np.concatenate(own)
            assert len(np.unique(seen)) == len(seen)
            assert len(columns.shard) - len(seen) < mixed.share[number] * batch + 2 * spare
            epochs = {e for b in first[which * steps : (which + 1) * steps] for e in b.epoch[b.source == number]}
            assert epochs <= {which}


def test_what_a_pass_leaves_out_is_not_always_the_same():
    sets = [make_set(203, 0), make_set(500, 1)]
    mixed = mixture(sets, [0.3, 0.7], 16)
    steps, seen = mixed.pass_steps[0], np.zeros(203, dtype=int)
    for step in range(40 * steps):
        each = mixed.batch(step)
        np.add.at(seen, each.sample[each.source == 0], 1)
    assert seen.min() >= 30 and seen.max() == 40


@pytest.mark.parametrize("weights", [[3, 1], [0.55, 0.45], [2, 1, 1]])
def test_neighbourhoods_meet_themselves_only_at_a_cut(weights):
    sets = [make_set(3000, number) for number in range(len(weights))]
    mixed = mixture(sets, weights, 24)
    twice = 0
    for step in range(2 * mixed.pass_steps[0]):
        each = mixed.batch(step)
        for number, columns in enumerate(sets):
            hoods = columns.neighbourhood[each.sample[each.source == number]]
            twice += len(hoods) - len(np.unique(hoods))
    assert twice <= 2 * len(weights)  # of some 12,000 samples


def test_two_sets_do_not_draw_alike():
    same = make_set(300, 4)
    mixed = mixture([same, same], [1, 1], 20)
    each = [mixed.batch(step) for step in range(mixed.pass_steps[0])]
    alike = [np.intersect1d(b.sample[b.source == 0], b.sample[b.source == 1]).size for b in each]
    assert np.mean(alike) < 2  # by chance 10 x 10 / 300


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(0, 50))
def test_a_pass_has_the_counts_asked_for_and_nothing_twice(samples, counts, epoch):
    counts = np.array(counts)
    if not 0 < counts.sum() <= samples:
        return
    order = whole_pass(make_set(samples, 3), counts, epoch)
    assert len(order) == counts.sum() == len(np.unique(order)) and order.min() >= 0 and order.max() < samples


def whole_pass(columns, counts, epoch):
    one = SetPass(SampleRuns.of(*columns), counts, seed=1, epoch=epoch)
    batches = [one.batch(step) for step in range(len(counts))]
    assert [len(batch) for batch in batches] == counts.tolist()
    return np.concatenate(batches)


@pytest.mark.parametrize("per_shard", [256, 60])
@pytest.mark.parametrize("weight", [1, 6, 400])
def test_the_turn_of_every_sample_comes(per_shard, weight):
    """Of 256 clips at a weight of a thousandth, a pass leaves two or so out: not the same two in each."""
    sample = np.arange(256)
    columns = ShardSet((sample // per_shard).astype(np.int32), sample // 5)
    share, passes = shares([1000, weight], 2), 100
    steps = pass_steps([10**9, 256], share, 512)[1]
    seen = np.zeros(256, dtype=int)
    for epoch in range(passes):
        counts = np.diff(drawn(share, np.arange(epoch * steps, (epoch + 1) * steps + 1) * 512)[1])
        seen[whole_pass(columns, counts, epoch)] += 1
    left_out = passes - seen
    assert left_out.min() >= 0 and left_out.max() <= left_out.mean() + 6 * np.sqrt(left_out.mean()) + 1


def test_the_order_of_a_mixture_stays():
    neighbourhood = np.repeat(np.arange(3000), np.arange(3000) * 7919 % 19 + 1)
    shard = (np.arange(len(neighbourhood)) // 40).astype(np.int32)
    columns = ShardSet(shard, neighbourhood)
    mixed = mixture([columns, ShardSet(shard[:500], neighbourhood[:500])], [50, 1], 24, seed=3)
    got = np.concatenate([np.stack(mixed.batch(step)) for step in range(3000)])
    digest = hashlib.sha256(got.astype("<i8").tobytes()).hexdigest()
    assert digest == "3f413e37ed28dde13aeb03441978451476e1461063df83a7dc7b78d3e41bd5e3"


def test_steps_may_be_asked_for_in_any_order():
    sets = [make_set(90, 0), make_set(200, 1), make_set(61, 2)]
    forward = mixture(sets, [5, 3, 2], 12)
    expected = [forward.batch(step) for step in range(60)]
    jumping = mixture(sets, [5, 3, 2], 12)
    for step in np.random.default_rng(0).permutation(60):
        assert all(np.array_equal(a, b) for a, b in zip(jumping.batch(int(step)), expected[step], strict=True))


def test_ranks_part_the_sources_evenly():
    mixed = mixture([make_set(4000, 0), make_set(2000, 1)], [0.7, 0.3], 64)
    for step, world in itertools.product(range(20), (2, 4, 8)):
        source = mixed.batch(step).source
        per_rank = [rank_slice(source, rank, world).sum() for rank in range(world)]
        assert max(per_rank) - min(per_rank) <= 1


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(InputError, match="1 weights for 2 shard folders"):
        shares([1], 2)
    for wrong in ([1, 0], [1, -1], [1, float("nan")], [float("inf"), 1]):
        with pytest.raises(InputError, match="not all positive"):
            shares(wrong, 2)
    with pytest.raises(InputError, match=r"shard folder 2 of 2 has 5 samples, too few for its 0.5 of a batch of 8"):
        pass_steps([100, 5], shares([1, 1], 2), 8)
    with pytest.raises(InputError, match="larger than the data set"):
        pass_steps([5], (1.0,), 8)


def test_an_awkward_share_is_still_read_from_many_shards():
    """Of 409 anchors a batch, a prime number, `epoch_order` alone would make one stream, 16 shards at a time."""
    columns = make_set(20000, 0, per_shard=100)
    mixed = mixture([columns, make_set(20000, 1)], [0.8, 0.2], 512)
    each = mixed.batch(7)
    assert len(np.unique(columns.shard[each.sample[each.source == 0]])) > 48
