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
from egocurate.storage import lock as lock_module
from egocurate.storage.lock import STALE_SEC, Holder, LocalLockFile, locked

HOLD = """
import sys, time
from egocurate.storage.lock import locked
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
