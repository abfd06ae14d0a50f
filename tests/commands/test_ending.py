"""Ctrl-C and SIGTERM end a command alike: one line, its exit status, nothing half written, nobody left at work."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from egocurate.descendants import descendants, has_ended
from tests.processes import wait_until

ROOT = Path(__file__).parents[2]
LINES = {signal.SIGINT: ("interrupted", 130), signal.SIGTERM: ("ended by SIGTERM", 143)}
GOES_ON = "what is finished is kept, and the same command goes on from there"
RESUMES = "the same command with --resume goes on from the newest checkpoint"

BOTH = pytest.mark.parametrize("number", LINES)


@pytest.fixture
def start():
    """Begin a Python program as the first of a group of processes, which takes Ctrl-C whoever has started the tests."""
    started = []

    def begin(*arguments):
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=env,
                start_new_session=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()


def end(process, number, to_all=False):
    """Send a signal; returns exit status, output and messages, once everything below the process has ended too."""
    below = descendants([process.pid])
    os.killpg(process.pid, number) if to_all else process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    wait_until(lambda: all(map(has_ended, below)))
    return process.returncode, stdout, stderr


def cpu_ticks(process):
    """How long a process has been computing."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11])


def line(number, how_to_go_on):
    return f"curate: {LINES[number][0]}; {how_to_go_on}"


PROGRAM = """
import hashlib, os, signal, time
from egocurate.commands.ending import ended_by_signals
with ended_by_signals("go on") as ending:
    try:
        print("begun", flush=True)
        {work}
    except KeyboardInterrupt:
        {tidy}
        print("tidied up")
    ending.now(ending.signal)
"""


def begun(start, work, tidy="pass"):
    process = start("-c", PROGRAM.format(work=work, tidy=tidy))
    assert process.stdout.readline() == "begun\n"
    return process


@BOTH
def test_a_command_tidies_up_first(start, number):
    ended = end(begun(start, "time.sleep(600)"), number)
    assert ended == (LINES[number][1], "tidied up\n", line(number, "go on") + "\n")


@pytest.mark.slow
@BOTH
def test_native_code_that_knows_no_signals_is_ended_where_it_stands(start, number):
    process = begun(start, "hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)")
    started = cpu_ticks(process.pid)
    wait_until(lambda: cpu_ticks(process.pid) > started + 10)
    assert end(process, number) == (LINES[number][1], "", line(number, "go on") + "\n")


def test_a_second_signal_does_not_disturb_the_tidying_up(start):
    again = "[os.kill(os.getpid(), number) for number in (signal.SIGINT, signal.SIGTERM)]; time.sleep(0.1)"
    ended = end(begun(start, "time.sleep(600)", again), signal.SIGTERM)
    assert ended == (143, "tidied up\n", line(signal.SIGTERM, "go on") + "\n")


@pytest.mark.slow
def test_tidying_up_that_does_not_end_is_ended(start):
    ended = end(begun(start, "time.sleep(600)", "time.sleep(600)"), signal.SIGINT)
    assert ended == (130, "", line(signal.SIGINT, "go on") + "\n")


def test_what_a_signal_has_become_on_its_way_is_still_its_end(start, tmp_path):
    """A killed worker of PyTorch's raises while the signal that has killed it as well is on its way."""
    program = """
import os, signal, sys
from egocurate.commands import curate
@curate.app.command()
def fail() -> None:
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        raise RuntimeError("a worker is gone")
curate.main(["fail"])
"""
    process = start("-c", program)
    assert process.communicate(timeout=60)[1] == line(signal.SIGTERM, GOES_ON) + "\n"
    assert process.returncode == 143


def test_a_forked_worker_leaves_signals_to_its_parent(start):
    work = """
        reading, writing = os.pipe()
        if not (child := os.fork()):
            os.write(writing, b"forked")
            time.sleep(600)
        os.read(reading, 6)
        os.kill(child, signal.SIGTERM)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), ending.signal, flush=True)
        time.sleep(600)
"""
    process = begun(start, work.strip())
    assert process.stdout.readline() == f"{-signal.SIGTERM} None\n"
    assert end(process, signal.SIGINT)[0] == 130


ON_RAY = """
import sys
import egocurate.workers.choose as choose
from egocurate.commands.curate import main
choose.SOON_SEC = 0.0
main(sys.argv[1:])
"""


def cut(start, tiny_root, out, *program):
    process = start(*program, "egoclip", "--ego4d-root", tiny_root, "--out", out, "--shard-clips", 4)
    wait_until(lambda: list(out.glob("shards/*.tar")) or process.poll() is not None)
    return process


def check_whole(out):
    assert not list(out.rglob(".part-*"))
    assert not (out / "shards" / "manifest.json").exists()
    assert not (out / "shards" / ".lock").exists()


@pytest.mark.parametrize(
    ("number", "to_all"),
    [
        pytest.param(signal.SIGINT, True, marks=pytest.mark.slow),
        (signal.SIGTERM, False),
        pytest.param(signal.SIGINT, False, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, True, marks=pytest.mark.slow),
    ],
)
def test_cutting_by_processes(start, tiny_root, tmp_path, number, to_all):
    out = tmp_path / "O"
    status, _, stderr = end(cut(start, tiny_root, out, "-m", "egocurate"), number, to_all)
    assert (status, stderr.splitlines()[-1]) == (LINES[number][1], line(number, GOES_ON))
    check_whole(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_all"),
    [
        (signal.SIGINT, False),
        (signal.SIGTERM, False),
        (signal.SIGTERM, True),
    ],
)
def test_cutting_on_ray(start, tiny_root, tmp_path, number, to_all):
    out = tmp_path / "O"
    status, _, stderr = end(cut(start, tiny_root, out, "-c", ON_RAY), number, to_all)
    assert (status, stderr.splitlines()[-1]) == (LINES[number][1], line(number, GOES_ON))
    assert "SIGTERM received" not in stderr, "Ray tells of a signal that was not meant for it"
    assert not (out / "shards" / "manifest.json").exists()  # Ray may take longer to end than there is for tidying up


SIGNALED_WHILE_SAYING = """
import os, signal, time
from egocurate.commands import curate

def say(error):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)

curate._say = say
curate.main(["verify", "nowhere"])
"""


def test_a_signal_while_a_mistake_is_said_is_a_line_too(start):
    process = start("-c", SIGNALED_WHILE_SAYING)
    assert process.communicate(timeout=60)[1] == f"curate: ended by SIGTERM; {GOES_ON}\n"
    assert process.returncode == 143
