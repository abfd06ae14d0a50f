"""Shards of a store on a local disk: fetched once, kept under a limit, whatever is killed, full or damaged."""

import errno
import fcntl
import logging
import multiprocessing
import os
import pickle
import signal
import stat
import tempfile
import time
from pathlib import Path

import pytest

from egocurate.errors import InputError, StoreError
from egocurate.shards.read import shard_cache as cache_module
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.shard_cache import ShardCache
from egocurate.storage import fetch as store
from tests.http_server import HttpServer

pytestmark = pytest.mark.usefixtures("nothing_said")
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
    with pytest.raises(StoreError, match=r"sends whole files, no ranges .* give a cache_dir"):
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
    assert {left.suffix for left in (tmp_path / "cache").iterdir()} == {".lock", ".part"}
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

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for sample in (0, 30, 60):
        assert there.read_video(sample) == index.read_video(sample)
    (warning,) = caplog.messages
    assert "cache cannot be written (No space left on device)" in warning and str(tmp_path / "cache") in warning
    assert all(asked for name, asked in server.requests if name.endswith(".tar"))
    assert not list((tmp_path / "cache").iterdir())


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


def test_what_is_bad_in_the_store_is_fetched_twice_never_kept_and_then_bad(broken, index, tmp_path, caplog):
    from egocurate.loaders.clip_dataset import ClipDataset
    from egocurate.loaders.config import StreamConfig

    server = HttpServer(broken([5, 6]))
    there = ShardIndex.open(server.url, ShardCache(tmp_path / "cache", 10**9))
    dataset = ClipDataset(there, StreamConfig(frames=2, size=16, negatives=False))
    for epoch in range(3):
        for sample in (5, 6):
            assert dataset[epoch, sample].bad[0].sample == sample
    name, size = there.reader.shards[0].path.name, there.reader.shards[0].bytes
    whole = [asked for tar, asked in server.requests if tar == name and asked == f"bytes=0-{size - 1}"]
    assert len(whole) == 2
    assert not [path for path in (tmp_path / "cache").iterdir() if path.stem == there.reader.shards[0].sha256]
    (said,) = [line for line in caplog.messages if "is not the shard of its manifest" in line]
    assert name in said and "curate verify" in said
    assert [there.read_video(i) for i in (4, 7)] == [index.read_video(i) for i in (4, 7)]  # which are sound there
    server.stop()


@pytest.mark.parametrize("how", ["500", "close", "half"])
@pytest.mark.parametrize("limit", [10**9, 1])
def test_a_store_that_stumbles_is_asked_again_and_named(cached, index, server, how, limit, caplog, monkeypatch):
    monkeypatch.setattr(store, "PAUSE_SEC", 0.01)
    there = cached(limit)
    server.failures = [how] * 3
    assert there.read_video(3) == index.read_video(3)
    told = [line for line in caplog.messages if "asked again" in line]
    assert len(told) <= 1  # the others are counted
    assert told or how == "close"  # a client asks again by itself when a kept connection was closed
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


def forbidden(*_args, **_kwargs):
    raise PermissionError(errno.EPERM, "Operation not permitted")


def fill(cached, index):
    there = cached()
    for sample in range(0, len(index), 3):
        there.read_video(sample)


def test_a_cache_that_another_user_filled_is_read(cached, index, server, tmp_path, monkeypatch, caplog):
    """Its files are not ours: touching, replacing and removing them is refused."""
    fill(cached, index)
    asked = len(server.tars())
    monkeypatch.setattr(os, "utime", forbidden)
    monkeypatch.setattr(os, "unlink", forbidden)
    there = cached()
    for sample in range(len(index)):
        assert there.read_video(sample) == index.read_video(sample)
    assert len(server.tars()) == asked and not caplog.messages


def test_a_cache_on_a_mount_that_cannot_be_written_is_read_and_the_rest_comes_from_the_store(
    cached, index, server, tmp_path, monkeypatch, caplog
):
    first = [int((index.shard == shard).argmax()) for shard in range(3)]
    cached().read_video(first[0])
    cached().read_video(first[1])
    there = cached()
    damaged = there.reader.cache.file(there.reader.shards[1])
    offset, _ = index.row(first[1]).video_span
    data = bytearray(damaged.read_bytes())
    data[offset : offset + 9] = bytes(9)
    damaged.write_bytes(data)
    before, writes = sorted((tmp_path / "cache").iterdir()), os.O_WRONLY | os.O_RDWR | os.O_CREAT
    plain_open = os.open

    def read_only(path, flags, *rest, **named):
        if flags & writes and str(path).startswith(str(tmp_path / "cache")):
            raise OSError(errno.EROFS, "Read-only file system")
        return plain_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", read_only)
    for name in ("utime", "unlink", "rename", "mkdir"):
        monkeypatch.setattr(os, name, forbidden)
    asked = len(server.tars())
    for sample in first:
        assert there.read_video(sample) == index.read_video(sample)
    assert len(server.tars()) == asked + 2  # the clip that is damaged here, and the one that is not here
    assert sorted((tmp_path / "cache").iterdir()) == before
    (warning,) = caplog.messages
    assert "cannot be written (Read-only file system)" in warning


def test_no_link_or_pipe_is_followed_and_no_name_can_be_guessed(cached, index, tmp_path):
    victim, folder = tmp_path / "thesis.txt", tmp_path / "cache"
    victim.write_text("mine")
    folder.mkdir()
    there = cached()
    shards = there.reader.shards
    links = [there.reader.cache.file(shards[0]), there.reader.cache.file(shards[1]).with_suffix(".lock")]
    links += [there.reader.cache.file(shard).with_suffix(".part") for shard in shards]
    for link in links:
        link.symlink_to(victim)
    os.mkfifo(there.reader.cache.file(shards[2]))
    os.mkfifo(there.reader.cache.file(shards[3]).with_suffix(".lock"))
    for sample in range(0, len(index), 3):
        assert there.read_video(sample) == index.read_video(sample)
    assert victim.read_text() == "mine"
    made = there.reader.cache.file(shards[0])
    assert not made.is_symlink() and made.stat().st_size == shards[0].bytes


def test_a_copy_of_another_size_is_fetched_again(cached, index, server, tmp_path):
    there = cached()
    path = there.reader.cache.file(there.reader.shards[0])
    for change in (lambda data: data + bytes(1000), lambda data: data[:-512]):
        there.read_video(0)
        path.write_bytes(change(path.read_bytes()))
        asked = len(server.tars())
        assert there.read_video(0) == index.read_video(0)
        assert len(server.tars()) == asked + 1 and path.stat().st_size == there.reader.shards[0].bytes


@pytest.mark.parametrize(("umask", "parent", "folder", "file"), [
    (0o000, 0o755, 0o700, 0o600),
    (0o077, 0o2775, 0o2770, 0o640),
])  # fmt: skip
def test_a_folder_is_its_users_own_or_its_groups(cached, tmp_path, umask, parent, folder, file):
    tmp_path.chmod(parent)
    before = os.umask(umask)
    try:
        cached().read_video(0)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == folder
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").iterdir()} == {file}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
def test_two_users_share_a_folder_that_is_open_to_both(index, server):
    expected = [index.read_video(sample) for sample in range(len(index))]
    answers = FORK.Queue()

    def read(user, samples):
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
        logging.disable()
        try:
            there = ShardIndex.open(server.url, ShardCache(folder, 10**9))
            answers.put([there.read_video(sample) == expected[sample] for sample in samples])
        except Exception as error:  # the test fails, not hangs
            answers.put(repr(error))

    one, other = 65534, 65533
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o1777)
        for user, samples in ((one, (0, 30)), (other, (0, 30, 60)), (one, (60, 45))):
            child = FORK.Process(target=read, args=(user, samples))
            child.start()
            assert answers.get(timeout=30) == [True] * len(samples)
            child.join()
        assert len(server.tars()) == len(set(server.tars())) == 4
        assert {path.stat().st_uid for path in folder.iterdir()} == {one, other}


def test_a_process_that_is_forked_while_a_shard_arrives_does_not_keep_it_locked(tmp_path):
    with cache_module._locked_part(tmp_path) as (_, path):
        child = FORK.Process(target=time.sleep, args=(60,))
        child.start()
        path.rename(tmp_path / "shard.tar")
    try:
        with (tmp_path / "shard.tar").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        child.kill()
        child.join()
