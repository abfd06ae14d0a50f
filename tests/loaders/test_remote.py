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

from egocurate.errors import StoreError
from egocurate.loaders import shard_prefetch
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.order.epoch_order import epoch_order
from egocurate.loaders.shard_prefetch import first_needs
from egocurate.storage import fetch as store
from egocurate.storage.paths import as_path
from tests.s3_server import ENVIRONMENT, S3Server

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


def test_an_s3_store_is_asked_once_for_each_shard(shards, tmp_path, monkeypatch):
    server = S3Server()
    for name, value in (ENVIRONMENT | {"AWS_ENDPOINT_URL": server.url}).items():
        monkeypatch.setenv(name, value)
    fs = as_path("s3://clips").fs
    fs.mkdir("clips")
    fs.put(f"{shards}/", "clips/shards/", recursive=True)
    asked = len(server.requests)
    there = stream("s3://clips/shards", batch_size=8, workers=2, cache_dir=tmp_path / "cache", **SETTINGS)
    batches = [batch for epoch in range(2) for batch in there.epoch(epoch)]
    assert len(batches) == 16
    there.close()
    tars = [r.path for r in server.requests[asked:] if r.path.endswith(".tar") and r.method == "GET"]
    assert len(tars) == len(set(tars)) == 8
    server.stop()


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
