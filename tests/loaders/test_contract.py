"""The contract of the stream: what a global batch holds, and what follows a state, depends on no topology."""

import itertools
import json
import math
import pickle
import shutil
import time

import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.batch_sampler import BatchPlan
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.order.mixture import Mixture, ShardSet, shares
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.shard_reader import ShardReader
from tests.shards.forge import forge_index, with_column

GLOBAL_BATCHES = [1, 6, 16, 24, 60, 64]
NODES = [1, 2, 3]
GPUS = [1, 2, 4, 5, 8]
WORKERS = [1, 2, 3, 7]
SHARD_SIZES = [7, 50, 400]
MIXES = [[1], [3, 1], [0.62, 0.3, 0.08]]


class FakeIndex:
    """The columns of an index that a plan reads."""

    reader = ShardReader([])

    def __init__(self, samples, per_shard, seed):
        rng = np.random.default_rng(seed)
        self.neighbourhood = np.repeat(np.arange(samples), rng.integers(1, 9, samples))[:samples]
        self.shard = (np.arange(samples) // per_shard).astype(np.int32)


def fakes(per_shard, weights):
    return [FakeIndex(1100 + 400 * number, per_shard, number) for number in range(len(weights))]


def mixed(indexes, weights, batch):
    sets = [ShardSet(index.shard, index.neighbourhood) for index in indexes]
    return Mixture(sets, shares(weights, len(sets)), seed=5, global_batch=batch)


def read_by_workers(rank, workers, first, end):
    """The batches of a rank as its workers make them: each takes every workers-th batch of the plan."""
    rank.start(first, end)
    tasks = list(rank)
    own = [tasks[worker::workers] for worker in range(workers)]
    return [own[step % workers][step // workers] for step in range(len(tasks))]


@pytest.mark.slow
def test_ids_are_those_of_one_process_whatever_the_topology():
    """3 x 3 x 6 data sets x batches, every node x GPU count that divides the batch, 4 worker counts, resumed midway."""
    cases = 0
    for per_shard, weights, batch in itertools.product(SHARD_SIZES, MIXES, GLOBAL_BATCHES):
        indexes = fakes(per_shard, weights)
        one = mixed(indexes, weights, batch)
        first = one.pass_steps[0] - 3  # from the end of one epoch into the next
        end = first + 12
        alone = BatchPlan(indexes, one, 0, 1)
        alone.start(first, end)
        expected = list(alone)
        assert len({place for step in expected for place in step}) == batch * len(expected)
        for world in sorted({nodes * gpus for nodes, gpus in itertools.product(NODES, GPUS)}):
            if batch % world:
                continue
            again = mixed(indexes, weights, batch)
            ranks = [BatchPlan(indexes, again, rank, world) for rank in range(world)]
            for workers, stop in itertools.product(WORKERS, (0, 5)):
                parts = [read_by_workers(rank, workers, first + stop, end) for rank in ranks]
                assert {len(part) for part in parts} == {end - first - stop}
                assert [list(itertools.chain(*step)) for step in zip(*parts, strict=True)] == expected[stop:]
                cases += 1
    assert cases == 3 * 3 * 4 * 2 * sum(
        batch % world == 0
        for batch in GLOBAL_BATCHES
        for world in {nodes * gpus for nodes, gpus in itertools.product(NODES, GPUS)}
    )


CONFIG = {"frames": 2, "size": 24, "seed": 3}


def small(shards, rank=0, world=1, workers=0, weights=None, **changes):
    config = StreamConfig(**(CONFIG | {"workers": workers} | changes))
    return stream(shards, batch_size=8, config=config, rank=rank, world=world, weights=weights)


def halves(batch):
    half = len(batch) // 2
    return [
        {
            "texts": batch.texts[rows],
            **{name: getattr(batch, name)[rows] for name in ("frames", "verbs", "nouns", "valid", "sample", "source")},
        }
        for rows in (slice(0, half), slice(half, None))
    ]


def assert_same(parts, whole):
    for side in range(2):
        ranks, expected = [halves(part)[side] for part in parts], halves(whole)[side]
        assert list(itertools.chain(*(rank.pop("texts") for rank in ranks))) == expected.pop("texts")
        for name, value in expected.items():
            assert torch.equal(torch.cat([rank[name] for rank in ranks]), value), name


@pytest.fixture(scope="module", params=["one folder", "two folders"])
def data(request, shards):
    """The same folder twice is a mixture whose two parts must not draw alike."""
    return (shards, None) if request.param == "one folder" else ([shards, shards], [0.7, 0.3])


@pytest.fixture(scope="module")
def reference(data):
    whole = small(data[0], weights=data[1])
    return [batch for epoch in range(2) for batch in whole.epoch(epoch)]


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1, 0), (8, 0)),
        pytest.param((2, 1), (1, 3), marks=pytest.mark.slow),
        ((4, 0), (2, 2)),
        pytest.param((8, 0), (4, 1), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("stop", [pytest.param(3, marks=pytest.mark.slow), 9])
def test_pixels_go_on_under_other_ranks_and_workers(data, reference, before, after, stop):
    def ranks(world, workers):
        return [small(data[0], rank, world, workers, data[1]) for rank in range(world)]

    began = ranks(*before)
    for step in range(stop):
        parts = [next(rank.epoch(step // rank.steps_per_epoch)) for rank in began]
        assert_same(parts, reference[step])
    states = [pickle.dumps(rank.state_dict()) for rank in began]
    assert len(set(states)) == 1
    gone_on = ranks(*after)
    for rank in gone_on:
        rank.load_state_dict(pickle.loads(states[0]))
    got = [
        [batch for epoch in range(pickle.loads(states[0])["epoch"], 2) for batch in rank.epoch(epoch)]
        for rank in gone_on
    ]
    assert {len(part) for part in got} == {len(reference) - stop}
    for parts, whole in zip(zip(*got, strict=True), reference[stop:], strict=True):
        assert_same(parts, whole)


def test_a_mixture_has_both_sets_with_views_of_their_own(data, reference):
    sources = torch.cat([batch.source[:8] for batch in reference])
    assert set(sources.tolist()) == ({0} if data[1] is None else {0, 1})
    if data[1] is not None:
        assert abs((sources == 1).float().mean() - 0.3) < 1 / 8
    shown = {}
    for batch in reference:
        for row in range(8):
            shown.setdefault(int(batch.sample[row]), {}).setdefault(int(batch.source[row]), batch.frames[row])
    both = [views for views in shown.values() if len(views) == 2]
    assert all(not torch.equal(views[0], views[1]) for views in both)


def test_resume_reads_no_shard_and_is_at_once(shards, monkeypatch):
    whole = small([shards, shards], weights=[2, 1])
    reads = []
    read_members = ShardIndex.read_members
    monkeypatch.setattr(
        ShardIndex, "read_members", lambda self, *given: reads.append(given[0]) or read_members(self, *given)
    )
    began = time.monotonic()
    whole.load_state_dict(whole.state_dict() | {"epoch": 1000, "step": 2})
    batches = whole.epoch(1000)
    assert reads == [] and time.monotonic() - began < 1
    next(batches)
    assert 8 <= len(reads) <= 16  # that batch's anchors and negatives alone


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"weights": [3, 1]}, "weights .* resume with the weights of the run"),
        ({"folders": 1}, "other shards"),
        ({"seed": 4}, "seed 3, the stream 4"),
    ],
)
def test_a_state_of_another_mixture_is_refused(shards, other, named):
    state = small([shards, shards], weights=[1, 1]).state_dict()
    folders = [shards] * other.get("folders", 2)
    changed = small(folders, weights=other.get("weights", [1] * len(folders)), seed=other.get("seed", 3))
    with pytest.raises(InputError, match=named):
        changed.load_state_dict(state)


def test_a_state_of_another_index_over_the_same_shards_is_refused(shards, tmp_path):
    folder = shutil.copytree(shards, tmp_path / "shards")
    state = small([folder], weights=[1]).state_dict()
    forge_index(folder, with_column("tag_verb", lambda tags: [[0] for _ in tags]))
    changed = small([folder], weights=[1])
    assert changed.state_dict()["fingerprint"] == state["fingerprint"]
    with pytest.raises(InputError, match=r"index .*put index\.parquet and manifest\.json back"):
        changed.load_state_dict(state)


def test_states_of_first_versions_are_read_where_the_order_is_the_same(shards):
    def first(state):
        return {name: value for name, value in state.items() if name not in ("index", "order")}

    small([shards], weights=[1]).load_state_dict(first(small([shards], weights=[1]).state_dict()))
    mixed = small([shards, shards], weights=[2, 1])
    with pytest.raises(InputError, match=r"order 1, the stream 2: .* drawn by other rules"):
        mixed.load_state_dict(first(mixed.state_dict()))


def test_weights_count_by_their_proportions_and_default_to_the_sizes(shards):
    state = small([shards, shards], weights=[1, 1]).state_dict()
    for weights in ([7, 7], [0.5, 0.5], None):
        small([shards, shards], weights=weights).load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"num_verbs": 12}, r"11 verb and 7 noun classes.*other has 12 verb and 7.*--lexicon"),
        ({"lexicon": "b"}, r"of lexicon a, .*of lexicon b.*--lexicon"),
        ({"lexicon": ""}, None),  # shards of before lexicons had digests
    ],
)
def test_sets_of_other_lexicons_are_refused(shards, tmp_path, change, named):
    folders = [tmp_path / name for name in ("one", "other")]
    for folder, changed in zip(folders, ({}, change), strict=True):
        folder.mkdir()
        for path in shards.iterdir():
            if path.is_file():
                (folder / path.name).write_bytes(path.read_bytes())
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"lexicon": "a"} | changed))
    if named is None:
        small(folders)
        return
    with pytest.raises(InputError, match=named):
        small(folders)


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least one"):
        small([])


CALLS = ["next", "next old", "epoch here", "epoch 0", "epoch 1", "load", "seek", "close"]


def test_no_order_of_calls_skips_or_repeats_a_batch_in_silence(shards, monkeypatch):
    """All 8^5 orders: every batch handed out is the one at which the state stood, or the call is refused."""
    steps = 3

    def numbers(self, epoch, step):
        return iter([((epoch, at), []) for at in range(step, steps)])

    monkeypatch.setattr(Stream, "_load", numbers)
    whole = small(shards)
    monkeypatch.setattr(whole, "steps_per_epoch", steps)
    handed = refused = 0
    for calls in itertools.product(CALLS, repeat=5):
        whole.seek(0)
        readings = [whole.epoch(0)]
        unasked = False  # whether a state was loaded that no epoch was yet read from
        for call in calls:
            stands = whole._epoch, whole._step
            try:
                if call in ("next", "next old"):
                    got = next(readings[-1 if call == "next" else 0])
                    assert got == stands and not unasked
                    assert (whole._epoch, whole._step) == divmod(math.prod((got[0], steps)) + got[1] + 1, steps)
                    handed += 1
                elif call.startswith("epoch"):
                    asked = whole._epoch if call == "epoch here" else int(call[-1])
                    readings.append(whole.epoch(asked))
                    assert asked == stands[0] or not (stands[1] or unasked)
                    unasked = False
                elif call == "load":
                    whole.load_state_dict(whole.state_dict() | {"epoch": 1, "step": 2})
                    unasked = True
                elif call == "seek":
                    whole.seek(1, 1)
                    unasked = False
                else:
                    whole.close()
            except RuntimeError:
                refused += 1
                assert (whole._epoch, whole._step) == stands
            except StopIteration:
                assert (whole._epoch, whole._step) == stands and stands[1] == 0
    assert handed > 10_000 and refused > 10_000
