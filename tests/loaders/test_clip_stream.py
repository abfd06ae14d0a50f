import gc
import itertools
import multiprocessing
import os
import pickle
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.device import prefetch
from egocurate.loaders.order.epoch_order import epoch_order
from egocurate.shards.read.index import ShardIndex


def config(**changes):
    return StreamConfig(**({"frames": 2, "size": 24, "workers": 0, "seed": 3} | changes))


def small(shards, batch_size=8, rank=0, world=1, **changes) -> Stream:
    return stream(shards, batch_size=batch_size, config=config(**changes), rank=rank, world=world)


def same(a: Batch, b: Batch) -> bool:
    tensors = ("frames", "verbs", "nouns", "valid", "sample", "source")
    return a.texts == b.texts and all(torch.equal(getattr(a, name), getattr(b, name)) for name in tensors)


def joined(parts: list[Batch]) -> Batch:
    """The batch of one rank from those of several: all anchors, then all negatives."""
    half = len(parts[0]) // 2
    rows = [(part, slice(0, half)) for part in parts] + [(part, slice(half, None)) for part in parts]
    tensors = {
        name: torch.cat([getattr(part, name)[rows_] for part, rows_ in rows])
        for name in ("frames", "verbs", "nouns", "valid", "sample", "source")
    }
    return Batch(texts=list(itertools.chain(*(part.texts[rows_] for part, rows_ in rows))), **tensors)


@pytest.fixture(scope="module")
def reference(shards):
    """Two epochs read by one rank without workers."""
    whole = small(shards)
    return [list(whole.epoch(epoch)) for epoch in range(2)]


def test_batches_follow_the_order(shards, index, reference):
    for epoch, batches in enumerate(reference):
        order = epoch_order(index.shard, index.neighbourhood, seed=3, epoch=epoch, global_batch=8)
        assert len(batches) == len(order) == 70 // 8 == small(shards).steps_per_epoch
        assert np.array_equal(order, [batch.sample[:8].tolist() for batch in batches])


def test_a_batch_holds_what_the_index_says(index, reference):
    batch = reference[0][0]
    assert batch.frames.shape == (16, 2, 3, 24, 24) and batch.frames.dtype == torch.uint8
    assert repr(batch) == (
        "Batch(frames=uint8[16, 2, 3, 24, 24], verbs=bool[16, 11], nouns=bool[16, 7], valid=bool[16], sample=int64[16],"
        " source=int64[16], texts=str[16], device=cpu)"
    )
    seen_none = False
    for batch in reference[0]:
        for row, sample in enumerate(batch.sample.tolist()):
            known = index.row(sample)
            assert batch.texts[row] == known.text
            assert batch.verbs[row].nonzero().ravel().tolist() == known.tag_verb.tolist()
            assert batch.nouns[row].nonzero().ravel().tolist() == known.tag_noun.tolist()
        for anchor, negative, valid in zip(batch.sample[:8], batch.sample[8:], batch.valid[8:], strict=True):
            candidates = index.negatives(int(anchor)).tolist()
            assert valid == bool(candidates)
            assert int(negative) in (candidates or [int(anchor)])
            seen_none |= not candidates
        assert batch.valid[:8].all()
    assert seen_none


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(
    ("world", "workers"), [(2, 0), (4, 0), (1, 1), (1, 3), pytest.param(2, 3, marks=pytest.mark.slow)]
)
def test_tensors_do_not_depend_on_ranks_and_workers(shards, reference, world, workers):
    ranks = [small(shards, rank=rank, world=world, workers=workers) for rank in range(world)]
    for epoch, expected in enumerate(reference):
        parts = [list(rank.epoch(epoch)) for rank in ranks]
        assert {len(part) for part in parts} == {len(expected)}
        assert all(
            same(joined(list(step)), whole) for step, whole in zip(zip(*parts, strict=True), expected, strict=True)
        )


def test_without_negatives_a_batch_is_its_anchors(shards, reference):
    batches = list(small(shards, negatives=False).epoch(0))
    for batch, full in zip(batches, reference[0], strict=True):
        assert len(batch) == 8 and batch.valid.all()
        assert torch.equal(batch.frames, full.frames[:8])


@pytest.mark.parametrize("stop", [0, 1, 5, 7, 8])
@pytest.mark.parametrize("workers", [0, 2])
def test_resume_gives_the_rest_and_nothing_else(shards, reference, stop, workers):
    first = small(shards, workers=workers)
    batches = first.epoch(0)
    for _ in range(stop):
        next(batches)
    state = pickle.loads(pickle.dumps(first.state_dict()))
    assert (state["epoch"], state["step"]) == divmod(stop, 8)
    # Resumed by two ranks, where one had begun.
    parts = []
    for rank in range(2):
        again = small(shards, rank=rank, world=2)
        again.load_state_dict(state)
        rest = list(again.epoch(state["epoch"]))
        parts.append(rest + list(again.epoch(state["epoch"] + 1))) if state["epoch"] == 0 else parts.append(rest)
    expected = [*reference[0], *reference[1]][stop:]
    got = [joined(list(step)) for step in zip(*parts, strict=True)]
    assert len(got) == len(expected)
    assert all(same(a, b) for a, b in zip(got, expected, strict=True))


def test_the_step_counts_what_was_handed_on_not_what_was_read_ahead(shards):
    whole = small(shards, workers=2)
    for n, _ in enumerate(prefetch(whole.epoch(0), "cpu"), start=1):
        assert whole.state_dict()["step"] == n % 8
        assert whole.state_dict()["epoch"] == n // 8
    batches = small(shards)
    reading = batches.epoch(0)
    reading.pull()
    reading.pull()
    assert batches.state_dict()["step"] == 0 and len(reading) == 8
    reading.handed()
    assert batches.state_dict()["step"] == 1 and len(reading) == 7


def test_reading_goes_on_where_it_stopped(shards, reference):
    whole = small(shards, workers=2)
    got = list(itertools.islice(whole.epoch(0), 3)) + list(whole.epoch(0)) + list(whole.epoch(1))
    assert all(same(a, b) for a, b in zip(got, [*reference[0], *reference[1]], strict=True))
    # A finished epoch may be asked for again.
    assert same(next(whole.epoch(0)), reference[0][0])


@pytest.mark.parametrize("batch_size", [1, 8, None])
def test_a_stream_in_a_data_loader_says_how_it_is_read(shards, batch_size):
    data = small(shards)
    with pytest.raises(InputError, match="a stream is its own loader") as raised:
        next(iter(DataLoader(data, batch_size=batch_size)))
    assert "`for batch in stream`" in str(raised.value) and "\n" not in str(raised.value)
    assert len(list(data)) == len(data), "it can still be read"


def test_the_wrong_order_of_calls_is_an_error_not_a_restart(shards, reference):
    state = {**small(shards).state_dict(), "step": 5}
    whole = small(shards)
    early = whole.epoch(0)
    next(early)
    whole.load_state_dict(state)
    with pytest.raises(RuntimeError, match="load the state first"):
        next(early)
    with pytest.raises(RuntimeError, match=r"stands at step 5 of epoch 0.*seek\(1\)"):
        whole.epoch(1)
    assert same(next(whole.epoch(0)), reference[0][5])
    unread = whole.epoch(0)
    whole.load_state_dict({**state, "epoch": 1, "step": 0})
    with pytest.raises(RuntimeError):
        next(unread)
    with pytest.raises(RuntimeError, match="epoch 1"):
        whole.epoch(0)
    assert same(next(whole.epoch(1)), reference[1][0])
    with pytest.raises(RuntimeError, match="step 1 of epoch 1"):
        whole.epoch(0)
    whole.seek(0, 2)
    assert same(next(whole.epoch(0)), reference[0][2])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed 4, the stream 3"),
        ({"batch_size": 16}, "batch_size 16, the stream 8"),
        ({"fingerprint": "other"}, "other shards"),
        ({"step": 9}, "step 9 of epoch 0 does not exist"),
        ({"epoch": -1}, "epoch -1"),
    ],
)
def test_a_state_of_another_run_is_refused(shards, change, named):
    whole = small(shards)
    with pytest.raises(InputError, match=named):
        whole.load_state_dict(whole.state_dict() | change)
    with pytest.raises(InputError, match="lacks fingerprint, seed"):
        whole.load_state_dict({"epoch": 0, "step": 0, "batch_size": 8})


def test_a_batch_size_that_cannot_be_is_refused(shards):
    with pytest.raises(InputError, match="larger than the data set"):
        small(shards, batch_size=71)
    with pytest.raises(InputError, match="cannot be shared by 3 ranks"):
        small(shards, world=3)
    with pytest.raises(InputError):
        stream(shards / "nowhere", batch_size=4)


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples_are_counted_named_and_limited(broken, index, workers):
    wrong = [3, 30, 50]
    folder = broken(wrong)
    lenient = small(folder, workers=workers, batch_size=10)
    seen = np.concatenate([batch.sample.numpy() for batch in lenient.epoch(0)])
    assert set(lenient.bad) == set(wrong) and not set(seen.tolist()) & set(wrong)
    assert lenient.bad[30].key == index.key(30)
    strict = small(folder, workers=workers, batch_size=10, max_bad=2)
    with pytest.raises(InputError) as error:
        list(strict.epoch(0))
    message = str(error.value)
    assert "\n" not in message and "3 samples do not decode, max_bad is 2" in message
    for sample in wrong:
        row = index.row(sample)
        assert row.key in message and row.shard_path.name in message


def test_data_that_is_all_bad_stops_the_run(broken):
    hopeless = small(broken(range(70)), max_bad=100)
    with pytest.raises(InputError, match="and 62 more; run `curate verify`"):
        next(hopeless.epoch(0))


@pytest.mark.slow
def test_a_missing_shard_is_named(broken):
    folder = broken([])
    (folder / "egoclip-000002.tar").unlink()
    with pytest.raises(InputError, match=r"egoclip-000002\.tar"):
        list(small(folder, max_bad=0, workers=1).epoch(0))


def test_reading_leaves_the_global_generator_alone(shards):
    before = torch.get_rng_state()
    next(small(shards, workers=1).epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_index_is_opened_once(shards, monkeypatch):
    """Resume reads nothing: no clip is decoded before the first batch asked for."""
    whole = small(shards)
    read = []
    monkeypatch.setattr(ShardIndex, "read_video", lambda self, sample: read.append(sample))
    whole.load_state_dict(whole.state_dict() | {"epoch": 3, "step": 7})
    whole.epoch(3)
    assert read == []


def test_closing_ends_the_workers_and_reading_can_go_on(shards, reference):
    others = set(multiprocessing.active_children())
    whole = small(shards, workers=2)
    reading = whole.epoch(0)
    assert same(next(reading), reference[0][0])
    workers = set(multiprocessing.active_children()) - others
    whole.close()  # while the batches of the loop that was left live
    assert len(workers) == 2 and not any(worker.is_alive() for worker in workers)
    with pytest.raises(RuntimeError, match="out of date"):
        next(reading)
    assert same(next(whole.epoch(0)), reference[0][1])
    whole.close()


def test_workers_of_a_stream_that_is_garbage_end_when_they_are_told_to(shards, monkeypatch):
    whole, alive = small(shards, workers=2), []
    next(whole.epoch(0))
    really_join = BaseProcess.join

    def join(worker, timeout=None):
        really_join(worker, timeout)
        alive.append(worker.is_alive())

    monkeypatch.setattr(BaseProcess, "join", join)
    held = [whole]
    held.append(held)
    del whole, held
    gc.collect()
    assert alive and not any(alive)


@pytest.mark.parametrize("ahead", [False, True])
def test_closing_inside_a_loop_ends_the_workers(shards, ahead):
    others = set(multiprocessing.active_children())
    whole = small(shards, workers=2)
    reading = prefetch(whole.epoch(0), "cpu") if ahead else whole.epoch(0)
    for _ in reading:
        workers = set(multiprocessing.active_children()) - others
        whole.close()
        break
    assert len(workers) == 2 and not any(worker.is_alive() for worker in workers)
    assert reading is not None


def test_a_training_process_imports_no_tables(shards):
    code = (
        "import sys\n"
        "from egocurate.loaders import stream\n"
        "next(iter(stream(sys.argv[1], batch_size=4, workers=0)))\n"
        "print([name for name in ('pandas', 'pyarrow.dataset', 'ray') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(shards)]
    root = Path(__file__).parents[2]
    assert subprocess.run(command, capture_output=True, text=True, check=True, cwd=root).stdout == "[]\n"


class Left:
    """What is in a circle of garbage, and must not be freed in a process that is forked."""

    freed: ClassVar[list[int]] = []

    def __init__(self):
        self.itself = self

    def __del__(self):
        Left.freed.append(os.getpid())


def test_garbage_is_freed_before_workers_fork(shards):
    """Ray's clients, freed in a fork, end it."""
    gc.disable()
    try:
        Left()
        data = stream(shards, batch_size=8, frames=2, size=16, workers=1)
        next(data.epoch(0))
        assert Left.freed == [os.getpid()]
    finally:
        gc.enable()
