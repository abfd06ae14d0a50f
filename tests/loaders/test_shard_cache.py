"""Shards of a store on a local disk: fetched once, kept under a limit, whatever is killed, full or damaged."""

import multiprocessing
import os
import pickle
import signal
import time

import pytest

from egocurate.errors import InputError, StoreError
from egocurate.shards.read import shard_cache as cache_module
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.shard_cache import ShardCache
from egocurate.storage import paths as store
from tests.http_server import HttpServer

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def cached(server, tmp_path):
    """Open the index of the server's shards with a cache of so many bytes."""
    return lambda limit=10**9: ShardIndex.open(server.url, ShardCache(tmp_path / "cache", limit))


def sizes(folder):
    return {path.name: path.stat().st_size for path in folder.iterdir()}


def age(path, seconds=120.0):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_shard_is_one_request_and_its_samples_are_what_they_are_locally(cached, index, server, tmp_path):
    there = cached()
    for sample in range(len(index)):
        assert there.read_members(sample, [0, 1]) == index.read_members(sample, [0, 1])
    assert sorted(server.tars()) == sorted(entry["file"] for entry in index.manifest["shards"])
    assert sorted(sizes(tmp_path / "cache").values()) == sorted(e["bytes"] for e in index.manifest["shards"])
    again = pickle.loads(pickle.dumps(there))
    assert again.read_video(3) == index.read_video(3)
    assert len(server.tars()) == len(index.manifest["shards"])


def test_a_server_without_ranges_is_read_through_the_cache(shards, index, tmp_path):
    server = HttpServer(shards, ranges=False)
    there = ShardIndex.open(server.url, ShardCache(tmp_path / "cache", 10**9))
    assert there.read_video(5) == index.read_video(5)
    assert len(server.tars()) == 1
    with pytest.raises(StoreError, match="sends whole files, no ranges; give a cache_dir"):
        ShardIndex.open(server.url).read_video(5)
    server.stop()


def test_of_many_processes_one_fetches_and_the_others_wait(cached, index, server):
    server.delay_sec = 0.3
    there = cached()
    answers = FORK.Queue()
    children = [FORK.Process(target=lambda: answers.put(there.read_video(3))) for _ in range(6)]
    for child in children:
        child.start()
    assert {answers.get(timeout=30) for _ in children} == {index.read_video(3)}
    for child in children:
        child.join()
    assert len(server.tars()) == 1


def test_a_killed_fetcher_blocks_nobody_and_leaves_nothing(cached, index, server, tmp_path):
    there = cached()
    server.failures, server.stall_sec = ["stall"], 8.0
    killed = FORK.Process(target=lambda: there.read_video(3))
    killed.start()
    while not server.tars():
        time.sleep(0.01)
    (left,) = (tmp_path / "cache").iterdir()
    assert left.suffix == ".part"
    waiting = FORK.Process(target=lambda: os._exit(there.read_video(3) != index.read_video(3)))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    os.kill(killed.pid, signal.SIGKILL)
    waiting.join(5)
    assert waiting.exitcode == 0
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".tar"]
    # One that nobody asks for again is tidied up when room is made.
    stale = tmp_path / "cache" / "other.part"
    stale.write_bytes(bytes(1000))
    there.read_video(69)
    assert not stale.exists()


def test_the_least_recently_used_goes_and_those_in_use_stay(cached, index, tmp_path):
    entries = index.manifest["shards"]
    limit = sum(e["bytes"] for e in entries[:3]) + 100_000
    assert limit < sum(e["bytes"] for e in entries[:4])
    there, folder = cached(limit), tmp_path / "cache"
    first = [int((index.shard == shard).argmax()) for shard in range(5)]
    for shard in (0, 1, 2):
        there.read_video(first[shard])
    files = [there.reader.cache.file(there.reader.shards[shard]) for shard in range(5)]
    # All in use: the fourth is read by ranges, and nothing of it is kept.
    assert there.read_video(first[3]) == index.read_video(first[3])
    assert sorted(folder.iterdir()) == sorted(files[:3])
    for number, path in enumerate(files[:3]):
        age(path, 300 - number)
    there.read_video(first[0])  # used again
    assert there.read_video(first[3]) == index.read_video(first[3])
    assert files[0].exists() and not files[1].exists() and files[3].exists()
    assert sum(sizes(folder).values()) <= limit


def test_one_that_is_being_read_is_not_evicted(cached, index, tmp_path):
    there = cached(index.manifest["shards"][0]["bytes"] + index.manifest["shards"][1]["bytes"] // 2)
    there.read_video(0)
    path = there.reader.cache.file(there.reader.shards[0])
    age(path)
    reader = path.open("rb")
    cache_module.fcntl.flock(reader, cache_module.fcntl.LOCK_SH)
    sample = int((index.shard == 1).argmax())
    assert there.read_video(sample) == index.read_video(sample)
    assert path.exists()
    reader.close()
    there.read_video(sample)
    assert not path.exists()


def test_a_full_disk_falls_back_to_ranges_with_one_warning(cached, index, server, tmp_path, caplog, monkeypatch):
    there = cached()
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: None)  # /dev/full has none
    monkeypatch.setattr(os, "ftruncate", lambda *_: None)
    for shard in range(len(index.manifest["shards"])):
        there.reader.cache.file(there.reader.shards[shard]).with_suffix(".part").symlink_to("/dev/full")
    for sample in (0, 30, 60):
        assert there.read_video(sample) == index.read_video(sample)
    (warning,) = caplog.messages
    assert "cache cannot be written (No space left on device)" in warning and str(tmp_path / "cache") in warning
    assert all(asked for name, asked in server.requests if name.endswith(".tar"))


def test_a_damaged_copy_is_fetched_once_more(cached, index, server, tmp_path):
    from egocurate.loaders.clip_dataset import ClipDataset
    from egocurate.loaders.config import StreamConfig

    there = cached()
    offset, _ = index.row(5).video_span
    there.read_video(5)
    path = there.reader.cache.file(there.reader.shards[index.shard[5]])
    data = bytearray(path.read_bytes())
    data[offset + 10 : offset + 60] = bytes(50)
    path.write_bytes(data)
    assert ClipDataset(there, StreamConfig(frames=2, size=16))[0, 5].bad == []
    assert len(server.tars()) == 2
    path.write_bytes(path.read_bytes()[: offset + 5])
    assert pickle.loads(pickle.dumps(there)).read_video(5) == index.read_video(5)


def test_what_is_bad_in_the_store_is_fetched_twice_and_then_bad(broken, tmp_path):
    from egocurate.loaders.clip_dataset import ClipDataset
    from egocurate.loaders.config import StreamConfig

    server = HttpServer(broken([5, 6]))
    there = ShardIndex.open(server.url, ShardCache(tmp_path / "cache", 10**9))
    dataset = ClipDataset(there, StreamConfig(frames=2, size=16, negatives=False))
    for epoch in range(3):
        for sample in (5, 6):
            assert dataset[epoch, sample].bad[0].sample == sample
    assert server.tars().count(there.reader.shards[0].path.name) == 2
    server.stop()


@pytest.mark.parametrize("how", ["500", "close", "half"])
@pytest.mark.parametrize("limit", [10**9, 1])
def test_a_store_that_stumbles_is_asked_again_and_named(cached, index, server, how, limit, caplog, monkeypatch):
    monkeypatch.setattr(store, "PAUSE_SEC", 0.01)
    there = cached(limit)
    server.failures = [how] * 3
    assert there.read_video(3) == index.read_video(3)
    told = [line for line in caplog.messages if "asked again" in line]
    assert len(told) >= 3 or how == "close"  # a client asks again by itself when a kept connection was closed
    assert all(f"{server.url}/egoclip-000000.tar" in line for line in told)


def test_a_store_that_stays_down_is_one_line(cached, server, monkeypatch):
    monkeypatch.setattr(store, "PAUSE_SEC", 0.01)
    there = cached()
    server.failures = ["500"] * 50
    with pytest.raises(StoreError) as error:
        there.read_video(3)
    line = str(error.value)
    assert "\n" not in line and f"{server.url}/egoclip-000000.tar" in line and "500" in line and "6 attempts" in line
    assert len(server.tars()) == 6


def test_a_missing_shard_is_the_users_to_solve(cached, shards, tmp_path, server, index):
    there = cached()
    gone = there.reader.shards[0].path.name
    server.stop()
    folder = tmp_path / "some"
    folder.mkdir()
    for path in shards.iterdir():
        if path.name != gone:
            (folder / path.name).write_bytes(path.read_bytes())
    other = HttpServer(folder)
    there = ShardIndex.open(other.url, ShardCache(tmp_path / "cache", 10**9))
    with pytest.raises(InputError, match=f"{gone} is not there"):
        there.read_video(0)
    other.stop()
