"""Processes that do tasks: what they return and raise, and that they die alone and are all gone afterwards."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from egocurate.descendants import descendants, has_ended
from egocurate.workers.local import LocalWorkers
from egocurate.workers.tasks import WorkerDied, run_each
from tests.processes import wait_until

ROOT = Path(__file__).parents[3]


def ends(workers, function, tasks):
    return {ended.key: ended for ended in run_each(workers, function, tasks)}


def test_more_tasks_than_processes_return_what_they_return_here():
    with LocalWorkers(2) as workers:
        found = ends(workers, divmod, {n: (n, 3) for n in range(7)})
    assert {n: ended.result() for n, ended in found.items()} == {n: divmod(n, 3) for n in range(7)}


def test_a_relative_path_means_there_what_it_means_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalWorkers(1) as workers:
        ends(workers, Path.write_text, {0: (Path("note.txt"), "there")})
    assert (tmp_path / "note.txt").read_text() == "there"


def test_what_a_task_raises_is_raised_here_with_the_place():
    with LocalWorkers(1) as workers:
        found = ends(workers, int, {"bad": ("twelve",), "good": ("12",)})
    assert found["good"].result() == 12
    with pytest.raises(ValueError, match="twelve") as raised:
        found["bad"].result()
    assert "workers/process.py" in raised.value.__notes__[0]


def test_a_process_that_dies_takes_no_other_task_along():
    with LocalWorkers(2) as workers:
        workers.submit("dies", os.abort)
        workers.submit("lives", pow, 2, 5)
        found = {}
        while len(found) < 2:
            found |= {ended.key: ended for ended in workers.wait(60)}
        assert found["lives"].result() == 32
        with pytest.raises(WorkerDied, match=r"a worker process has died \(signal 6\)"):
            found["dies"].result()
        workers.submit("next", pow, 2, 6)
        assert [ended.result() for ended in workers.wait(60)] == [64]


def test_a_task_that_kills_every_process_is_given_up():
    with LocalWorkers(1) as workers:
        found = ends(workers, os._exit, {0: (75,)})
    with pytest.raises(WorkerDied, match="exit status 75"):
        found[0].result()


def test_one_that_was_killed_while_it_was_idle_costs_nothing():
    others = set(descendants([os.getpid()]))
    with LocalWorkers(1) as workers:
        (process,) = set(descendants([os.getpid()])) - others
        os.kill(process, signal.SIGKILL)
        wait_until(lambda: has_ended(process))
        assert ends(workers, pow, {0: (2, 7)})[0].result() == 128


def test_no_process_is_left_whatever_it_was_at():
    others = set(descendants([os.getpid()]))
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2) as workers:
        workers.submit(0, time.sleep, 600)
        raise KeyboardInterrupt
    assert set(descendants([os.getpid()])) <= others


def test_signals_to_the_whole_group_are_left_to_the_one_that_sends_the_tasks():
    with LocalWorkers(1) as workers:
        workers.submit(0, os.getpid)
        (ended,) = workers.wait(60)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(ended.value, number)
        assert ends(workers, os.getpid, {1: ()})[1].result() == ended.value


# It has no `if __name__ == "__main__"`: a process that imported it would start processes of its own.
SCRIPT = """
import time
from egocurate.workers.choose import open_workers
with open_workers(1, 1.0) as workers:
    workers.submit(0, time.sleep, 600)
    print("at work", flush=True)
    workers.wait(600)
"""


def test_processes_end_with_a_script_that_is_killed(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "script.py")]
    script = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert script.stdout.readline() == "at work\n"
    (process,) = descendants([script.pid])
    script.kill()
    script.wait()
    wait_until(lambda: has_ended(process))
    assert script.stdout.read() == ""
