"""Training from a store: the same tensors, shards fetched before they are needed, failures in one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from egocurate.errors import InputError, StoreError
from egocurate.loaders import shard_prefetch
from egocurate.loaders.clip_dataset import ClipDataset
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.order.epoch_order import epoch_order
from egocurate.loaders.shard_prefetch import first_needs
from egocurate.shards.read import open_index
from egocurate.shards.read.index import ShardIndex
from egocurate.storage import fetch as store
from egocurate.storage.paths import as_path
from tests.http_server import HttpServer
from tests.s3_server import serving

SETTINGS = {"frames": 2, "size": 24, "seed": 3}


def until(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_first_needs_are_those_of_a_walk_through_the_plan():
    rng = np.random.default_rng(1)
    plan = rng.integers(0, 30, (40, 6))
    expected, seen = [], set()
    for step, row in enumerate(plan.tolist()):
        for shard in row:
            if shard not in seen:
                seen.add(shard)
                expected.append((step, shard))
    assert first_needs(plan) == expected
    assert first_needs(plan[:0]) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_share_a_cache_and_see_what_is_there_locally(shards, server, tmp_path, workers):
    local = list(stream(shards, batch_size=8, workers=workers, **SETTINGS).epoch(0))
    settings = SETTINGS | {"workers": workers, "cache_dir": tmp_path / "cache"}
    ranks = [stream(server.url, batch_size=8, rank=rank, world=2, **settings) for rank in range(2)]
    parts = [list(rank.epoch(0)) for rank in ranks]
    for whole, *halves in zip(local, *parts, strict=True):
        assert torch.equal(whole.sample[:8], torch.cat([half.sample[:4] for half in halves]))
        assert torch.equal(whole.frames[:8], torch.cat([half.frames[:4] for half in halves]))
    assert len(server.tars()) == len(set(server.tars()))
    for rank in ranks:
        rank.close()


def test_an_s3_store_is_asked_once_for_each_shard(shards, tmp_path):
    with serving("clips") as server:
        as_path("s3://clips").fs.put(f"{shards}/", "clips/shards/", recursive=True)
        asked = len(server.requests)
        there = stream("s3://clips/shards", batch_size=8, workers=2, cache_dir=tmp_path / "cache", **SETTINGS)
        batches = [batch for epoch in range(2) for batch in there.epoch(epoch)]
        assert len(batches) == 16
        there.close()
        tars = [r.path for r in server.requests[asked:] if r.path.endswith(".tar") and r.method == "GET"]
        assert len(tars) == len(set(tars)) == 8


@pytest.mark.parametrize("workers", [0, 1])
def test_shards_are_fetched_before_they_are_asked_for_and_not_all_at_once(server, tmp_path, monkeypatch, workers):
    monkeypatch.setattr(shard_prefetch, "SHARDS_AHEAD", 2)
    monkeypatch.setattr(shard_prefetch, "FETCHERS", 1)
    server.delay_sec = 0.02
    settings = SETTINGS | {"negatives": False, "workers": workers, "cache_dir": tmp_path / "cache"}
    there = stream(server.url, batch_size=1, **settings)
    order = epoch_order(there.index.shard, there.index.neighbourhood, seed=3, epoch=0, global_batch=1)
    needs = first_needs(there.index.shard[order])
    names = [there.index.reader.shards[shard].path.name for _, shard in needs]
    batches = there.epoch(0)
    taken = 1 + 2 * workers  # steps that the loader has asked for
    for done in range(len(order)):
        next(batches)
        reached = min(done + taken, len(order)) - 1
        needed = sum(step <= reached for step, _ in needs)
        expected = min(needed + 2, len(names))
        until(lambda n=expected: len(set(server.tars())) >= n)
        if done == 0:
            time.sleep(0.3)
            assert len(server.tars()) == needed + 2 < len(names)
    assert sorted(server.tars()) == sorted(names)  # none twice
    if workers == 0:
        assert server.tars()[needed - 1 :] and set(server.tars()[:3]) == set(names[:3])
    there.close()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("cached", [True, False])
def test_a_store_that_stays_down_ends_the_run_in_one_line(server, tmp_path, monkeypatch, workers, cached):
    monkeypatch.setattr(store, "PAUSE_SEC", 0.01)
    cache = {"cache_dir": tmp_path / "cache"} if cached else {}
    there = stream(server.url, batch_size=8, workers=workers, **SETTINGS, **cache)
    server.failures = ["500"] * 1000
    with pytest.raises(StoreError) as error:
        list(there.epoch(0))
    assert "\n" not in str(error.value) and f"{server.url}/egoclip-" in str(error.value)


def test_bytes_that_are_wrong_once_are_read_again_and_no_sample_is_bad(server):
    dataset = ClipDataset(ShardIndex.open(server.url), StreamConfig(frames=2, size=16, negatives=False))
    for wrong in (1, 2):
        before = len(server.tars())
        server.failures = ["wrong"] * wrong
        assert dataset[0, 5].bad == []
        assert len(server.tars()) == before + 1 + wrong


def test_a_store_that_gives_other_bytes_each_time_is_at_fault_and_no_sample(server):
    dataset = ClipDataset(ShardIndex.open(server.url), StreamConfig(frames=2, size=16, negatives=False))
    server.failures = ["wrong"] * 100
    item = dataset[0, 5]
    assert item.bad == [] and isinstance(item.failure, StoreError)
    assert "other bytes each of 5 times" in str(item.failure)
    server.failures = []
    assert dataset[0, 5].failure is None and dataset[0, 5].bad == []


def test_what_the_store_holds_is_bad_once_it_has_come_twice(broken):
    server = HttpServer(broken([5]))
    dataset = ClipDataset(ShardIndex.open(server.url), StreamConfig(frames=2, size=16, negatives=False, max_bad=0))
    (bad,) = dataset[0, 5].bad
    assert "its bytes are not those that were written" in bad.reason and len(server.tars()) == 2
    server.stop()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.slow
def test_tensors_do_not_depend_on_how_many_workers_meet_a_store_that_errs_now_and_then(
    shards, server, tmp_path, cached
):
    local = list(stream(shards, batch_size=8, workers=0, **SETTINGS).epoch(0))
    server.spoil = lambda number: number % (3 if cached else 11) == 0
    for workers in (0, 1, 3):
        cache = {"cache_dir": tmp_path / f"cache{workers}"} if cached else {}
        there = stream(server.url, batch_size=8, workers=workers, **SETTINGS, **cache)
        for one, other in zip(local, there.epoch(0), strict=True):
            assert torch.equal(one.sample, other.sample) and torch.equal(one.frames, other.frames)
        assert there.bad == {}
        there.close()


@pytest.mark.parametrize("mapped_from", [1, 10**9])
def test_the_index_that_is_read_is_the_one_that_was_checked(shards, server, index, mapped_from, monkeypatch, tmp_path):
    monkeypatch.setattr(open_index, "MAPPED_FROM", mapped_from)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    there = ShardIndex.open(server.url)
    assert [there.row(i).text for i in range(len(there))] == [index.row(i).text for i in range(len(index))]
    assert len([name for name, asked in server.requests if name == "index.parquet" and (asked or mapped_from > 1)]) == 1
    forged = tmp_path / "forged"
    forged.mkdir()
    for path in shards.iterdir():
        (forged / path.name).write_bytes(path.read_bytes())
    data = bytearray((forged / "index.parquet").read_bytes())
    data[len(data) // 3] ^= 1
    (forged / "index.parquet").write_bytes(data)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    other = HttpServer(forged)
    with pytest.raises(InputError, match="is not what was written"):
        ShardIndex.open(other.url)
    other.stop()


DEAD = """
import sys
from egocurate.storage import fetch
from egocurate.loaders.clip_stream import stream
fetch.PAUSE_SEC = .01
cache = {"cache_dir": sys.argv[2]} if sys.argv[2] else {}
there = stream(sys.argv[1], batch_size=64, frames=2, size=24, workers=4, **cache)
print("open", flush=True)
sys.stdin.readline()
list(there.epoch(0))
"""


@pytest.mark.slow
@pytest.mark.parametrize("cached", [True, False])
def test_a_dead_store_is_a_few_lines_however_many_ask(server, tmp_path, cached):
    run = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", DEAD, server.url, str(tmp_path / "cache") if cached else ""],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert run.stdout.readline() == "open\n"
    server.failures = ["500"] * 100_000
    _, err = run.communicate("\n", timeout=60)
    said = [line for line in err.splitlines() if server.url in line and not line.startswith("egocurate.errors.")]
    assert run.returncode == 1 and 1 <= len(said) <= 3, err
    assert len(server.tars()) < 200


SCRIPT = """
import sys, time
from egocurate.loaders.clip_stream import stream
there = stream(sys.argv[1], batch_size=4, frames=2, size=24, workers=2, cache_dir=sys.argv[2])
epoch = 0
while True:
    for batch in there.epoch(epoch):
        print("batch", flush=True)
    epoch += 1
"""


def children(pid):
    """Return the living processes whose parent is or was in the session of `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == pid and state not in "ZX":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.slow
def test_a_killed_training_leaves_no_process_and_no_shared_memory(server, tmp_path, how):
    run = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, server.url, str(tmp_path / "cache")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    for _ in range(3):
        assert run.stdout.readline() == b"batch\n"
    processes = children(run.pid)
    assert len(processes) == 3
    run.send_signal(how)
    run.wait(30)
    until(lambda: not children(run.pid))
    run.stdout.close()
    left = [path.name for path in Path("/dev/shm").iterdir()]
    assert not [name for name in left if any(str(pid) in name for pid in processes)]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} <= {".tar", ".part"}
