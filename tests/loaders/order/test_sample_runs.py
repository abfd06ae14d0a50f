import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egocurate.loaders.order import sample_runs
from egocurate.loaders.order.sample_runs import SampleRuns


def make_columns(seed, samples=300):
    """Neighbourhoods that shards part, and of which some come twice, as in a folder that has grown."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.repeat(np.arange(samples) * 3, 2))
    hoods = np.repeat(names, rng.integers(1, 9, len(names)))[:samples]
    return np.sort(rng.integers(0, 30, samples)).astype(np.int32), hoods


def rows_of(runs):
    return np.concatenate([np.arange(a, a + n) for a, n in zip(runs.first, runs.size, strict=True)] or [[]]).astype(int)


@given(st.integers(0, 500), st.integers(0, 300))
def test_runs_hold_the_columns(seed, samples):
    shard, hoods = make_columns(seed, samples)
    runs = SampleRuns.of(shard, hoods)
    assert len(runs) == samples and np.array_equal(rows_of(runs), np.arange(samples))
    assert np.array_equal(np.repeat(runs.shard, runs.size), shard)
    assert np.array_equal(np.repeat(runs.neighbourhood, runs.size), hoods)
    assert np.array_equal(runs.shard_sizes, np.bincount(shard)) and runs.groups == len(np.unique(hoods))
    if samples:
        assert runs.largest_group == np.unique(hoods, return_counts=True)[1].max()
        _, groups = np.unique(hoods, return_inverse=True)
        found = runs.at(np.arange(samples))
        assert np.array_equal(found[0], np.arange(samples)) and np.array_equal(found[1], groups)


@settings(max_examples=200)
@given(st.integers(0, 500), st.sets(st.integers(0, 29)), st.sets(st.integers(0, 299)))
def test_what_is_left_without_shards_and_samples(seed, shards, samples):
    shard, hoods = make_columns(seed)
    runs = SampleRuns.of(shard, hoods)
    gone = np.isin(np.arange(runs.shards), list(shards))
    single = np.array(sorted(i for i in samples if not gone[shard[i]]), dtype=np.int64)
    rest = np.setdiff1d(np.flatnonzero(~gone[shard]), single)
    left = runs.without(gone, single)
    assert np.array_equal(rows_of(left), rest) and len(left) == len(rest)
    assert np.array_equal(np.repeat(left.shard, left.size), shard[rest])
    assert np.array_equal(np.repeat(left.neighbourhood, left.size), hoods[rest])
    if len(rest):
        assert np.array_equal(left.at(np.arange(len(rest)))[0], rest)


@pytest.mark.parametrize("piece", [1, 2, 7, 299, 300, 301])
def test_the_pieces_in_which_an_index_is_read_do_not_show(monkeypatch, piece):
    columns = make_columns(1)
    whole = SampleRuns.of(*columns)
    monkeypatch.setattr(sample_runs, "PIECE_SAMPLES", piece)
    pieces = SampleRuns.of(*columns)
    for name in ("first", "size", "shard", "neighbourhood"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name))
