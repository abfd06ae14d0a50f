import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from egocurate.errors import InputError
from egocurate.storage.locks import holder as lock_holder
from egocurate.storage.locks import lock as lock_module
from egocurate.storage.locks.holder import Holder
from egocurate.storage.locks.lock import STALE_SEC, LocalLockFile, locked

HOLD = """
import sys, time
from egocurate.storage.locks.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that holds the lock."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()


def written_by(holder: Holder, folder, age: float = 0.0) -> None:
    path = folder / ".lock"
    path.write_bytes(holder.written())
    os.utime(path, (time.time() - age,) * 2)


def elsewhere() -> Holder:
    return replace(Holder.this_process(), host="node7", machine="another boot", pid=4242)


def test_nothing_is_left_behind_and_the_next_one_gets_it(tmp_path):
    for _ in range(2):
        with locked(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == [".lock"]
        assert list(tmp_path.iterdir()) == []


def test_the_second_of_two_drivers_is_told_who_holds_it_and_what_to_do(tmp_path, other_process):
    with pytest.raises(InputError) as caught, locked(tmp_path):
        pass
    said = str(caught.value)
    assert "\n" not in said and str(tmp_path) in said
    assert f"process {other_process.pid} on {os.uname().nodename}, since 20" in said and "end it" in said


def test_a_killed_driver_of_this_machine_blocks_nobody(tmp_path, other_process):
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    began = time.monotonic()
    with locked(tmp_path):
        assert time.monotonic() - began < 2
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_driver_of_this_machine_still_holds_it(tmp_path, other_process):
    other_process.send_signal(signal.SIGSTOP)
    os.utime(tmp_path / ".lock", (0, 0))
    with pytest.raises(InputError, match="another run is writing"), locked(tmp_path):
        pass


def test_a_process_number_that_has_gone_to_another_process_is_no_holder(tmp_path):
    written_by(replace(Holder.this_process(), born="1"), tmp_path)
    with locked(tmp_path):
        pass


def test_a_driver_of_another_machine_holds_it_while_it_beats(tmp_path):
    written_by(elsewhere(), tmp_path, age=STALE_SEC - 20)
    with (
        pytest.raises(InputError, match=r"process 4242 on node7, since .* try again in (19|20|21) s"),
        locked(tmp_path),
    ):
        pass
    written_by(elsewhere(), tmp_path, age=STALE_SEC + 5)
    with locked(tmp_path):
        assert json.loads((tmp_path / ".lock").read_bytes())["pid"] == os.getpid()


def test_the_holder_beats(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "BEAT_SEC", 0.05)
    with locked(tmp_path) as lock:
        os.utime(tmp_path / ".lock", (0, 0))
        time.sleep(0.5)
        assert LocalLockFile(tmp_path).read()[1] < STALE_SEC
        lock.check()


def test_a_holder_that_was_taken_over_is_told_and_leaves_the_lock_of_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "BEAT_SEC", 0.05)
    with locked(tmp_path) as lock:
        written_by(elsewhere(), tmp_path)
        time.sleep(0.3)
        with pytest.raises(InputError, match="taken over by process 4242 on node7"):
            lock.check()
    assert json.loads((tmp_path / ".lock").read_bytes())["host"] == "node7"


def test_a_lock_file_of_nobody_is_left_while_it_is_young(tmp_path):
    (tmp_path / ".lock").write_bytes(b"{")
    with pytest.raises(InputError, match="cannot be read"), locked(tmp_path):
        pass
    os.utime(tmp_path / ".lock", (0, 0))
    with locked(tmp_path):
        pass


def test_of_many_that_want_it_at_once_one_gets_it(tmp_path):
    for dead in (False, True):
        if dead:
            written_by(replace(Holder.this_process(), born="1"), tmp_path)
        inside, most, refused = [], [], []
        start = threading.Barrier(8)

        def want(inside=inside, most=most, refused=refused, start=start):
            start.wait()
            try:
                with locked(tmp_path):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(1.0)
                    inside.pop()
            except InputError as error:
                refused.append(error)

        threads = [threading.Thread(target=want) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(most) == 1 and len(most) + len(refused) == 8
        assert list(tmp_path.iterdir()) == []


class SlowToRemove(LocalLockFile):
    """The lock file of a run that stands still for a moment just before it removes a file."""

    def remove(self):
        time.sleep(1.0)
        super().remove()


@pytest.mark.slow
def test_a_run_that_is_slow_to_clear_a_dead_lock_away_does_not_remove_the_lock_of_a_faster_one(tmp_path):
    written_by(replace(Holder.this_process(), born="1"), tmp_path)
    inside, most, refused = [], [], []

    def want(file):
        try:
            with locked(tmp_path, file):
                inside.append(1)
                most.append(len(inside))
                time.sleep(2.0)
                inside.pop()
        except InputError as error:
            refused.append(error)

    slow = threading.Thread(target=want, args=(SlowToRemove(tmp_path),))
    slow.start()
    time.sleep(0.3)
    want(LocalLockFile(tmp_path))
    slow.join()
    assert max(most) == 1 and len(most) + len(refused) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_run_killed_while_it_cleared_a_dead_lock_away_blocks_nobody(tmp_path):
    dead = replace(Holder.this_process(), born="1")
    written_by(dead, tmp_path)
    claim = LocalLockFile(tmp_path).beside(lock_module._claim_on(dead.written()))
    assert claim.create(replace(dead, token="of the killed run").written())
    with locked(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_time_in_the_future_is_no_beat(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "BEAT_SEC", 0.1)
    written_by(elsewhere(), tmp_path, age=-3600)
    with locked(tmp_path):
        pass
    written_by(elsewhere(), tmp_path, age=-3600)
    beat = threading.Timer(0.05, os.utime, [tmp_path / ".lock"])
    beat.start()
    with pytest.raises(InputError, match="another run is writing"), locked(tmp_path):
        pass
    beat.join()


@pytest.mark.parametrize("what", ["pipe", "dangling link", "link", "folder"])
def test_what_is_no_file_is_said_to_be_none(tmp_path, what):
    path = tmp_path / ".lock"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if what == "link" else tmp_path / "nothing")
    with pytest.raises(InputError, match=r"\.lock is a link, a pipe or a folder .* remove it"), locked(tmp_path):
        pass
    assert [each.name for each in tmp_path.iterdir()] == [".lock"]


def test_a_process_that_proc_hides_holds_its_lock_while_it_beats(tmp_path, other_process, monkeypatch):
    hidden = tmp_path / "proc"
    (hidden / "self").mkdir(parents=True)
    monkeypatch.setattr(lock_holder, "PROC", hidden)
    with pytest.raises(InputError, match="another run is writing"), locked(tmp_path):
        pass
    other_process.kill()
    other_process.wait()
    with locked(tmp_path):
        pass
