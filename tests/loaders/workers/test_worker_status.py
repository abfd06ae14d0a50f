"""A worker that stands still or is killed is named, with what it reads."""

import logging
import os
import re
import shutil
import signal
import threading
import time

import pytest

from egocurate.loaders.clip_dataset import ClipDataset
from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.workers.worker_status import WorkerLost

SETTINGS = {"frames": 2, "size": 24, "seed": 3}


def kill_who_reads(there, after_sec):
    """Kill the worker that was the last to begin reading, some time after that."""
    while not (reading := there._dataset.status.readings()):
        time.sleep(0.01)
    time.sleep(after_sec)
    os.kill(reading[-1].pid, signal.SIGKILL)


@pytest.mark.parametrize("workers", [pytest.param(0, marks=pytest.mark.slow), 2])
def test_a_stall_says_who_reads_what_since_when(server, caplog, workers):
    there = stream(server.url, batch_size=8, workers=workers, stall_sec=1.0, **SETTINGS)
    server.failures, server.stall_sec = ["stall"] * max(1, workers), 3.0
    batches = there.epoch(0)
    first = next(batches)
    warnings = [line for line in caplog.messages if line.startswith("no batch for")]
    assert 1 <= len(warnings) <= 6
    found = re.search(r"worker (\d) \(pid (\d+)\) reads (\S+) in (\S+) since ([\d.]+) s", warnings[0])
    assert found and int(found[1]) < max(1, workers)
    assert (int(found[2]) == os.getpid()) == (workers == 0)
    sample = there.index.find(found[3])
    assert found[4] == str(there.index.row(sample).shard_path)
    assert float(found[5]) >= 0.3
    assert len(first) == 16
    server.failures = []
    told = len(caplog.messages)
    time.sleep(1.5)  # the trainer is slow, not the loader
    assert len(caplog.messages) == told
    next(batches)
    there.close()


def test_a_shard_that_never_comes_is_named_too(shards, tmp_path, caplog, monkeypatch):
    """A mount that hangs: the worker is forked from this process, and opens shards as it does."""
    folder = tmp_path / "hung"
    shutil.copytree(shards, folder)

    def hanging_open(path, *args):
        if str(path).endswith(".tar"):
            time.sleep(60)
        return really_open(path, *args)

    really_open = os.open
    monkeypatch.setattr(os, "open", hanging_open)
    there = stream(folder, batch_size=8, workers=1, stall_sec=0.3, max_bad=0, **SETTINGS)
    with caplog.at_level(logging.WARNING):
        threading.Thread(target=kill_who_reads, args=(there, 2.0), daemon=True).start()
        with pytest.raises(WorkerLost, match=r"hung/egoclip-\d+\.tar"):
            next(there.epoch(0))
    assert any(re.search(r"worker 0 .* in .*hung/egoclip-\d+\.tar since", line) for line in caplog.messages)


def test_a_killed_worker_is_one_line_that_names_what_it_read(server):
    there = stream(server.url, batch_size=8, workers=2, **SETTINGS)
    batches = there.epoch(0)
    next(batches)
    server.failures, server.stall_sec = ["stall"] * 500, 5.0
    threading.Thread(target=kill_who_reads, args=(there, 0.5), daemon=True).start()
    with pytest.raises(WorkerLost) as error:
        list(batches)
    line = str(error.value)
    assert "\n" not in line
    assert re.search(r"worker \d+ was killed (by a signal \(Killed\) )?while it read \S+ in http\S+\.tar", line)
    assert error.value.__suppress_context__
    server.failures = []
    assert len(next(there.epoch(0))) == 16  # goes on with new workers
    there.close()


def test_a_bad_sample_is_read_once_and_named_once(broken, caplog, monkeypatch):
    folder = broken([5, 6])
    there = stream(folder, batch_size=10, workers=0, **SETTINGS)
    for epoch in range(3):
        list(there.epoch(epoch))
    named = [line for line in caplog.messages if line.startswith("bad sample")]
    assert len(named) == len(there.bad) == 2
    assert all("egoclip-000000.tar" in line for line in named)
    dataset = ClipDataset(there.index, StreamConfig(frames=2, size=16, negatives=False))
    read, plain = [], type(there.index).read_members
    monkeypatch.setattr(type(there.index), "read_members", lambda self, s, n: read.append(s) or plain(self, s, n))
    shown = [dataset[epoch, 5] for epoch in range(3)]
    assert read.count(5) == 1 and [item.bad[0].sample for item in shown] == [5, 5, 5]
