"""Run parts one after the other within a time: each in a process of its own, what is done already left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import RESULTS, Setup, options_of

ROOT = Path(__file__).parents[2]
LAST_SEC = 10.0
"""kept for the summary at the end"""
AGAIN = 3
"""exit status of a part whose case failed: start it again for the others"""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Part:
    """A part of the run: its name, what it is about, and between which seconds one start of it lies."""

    name: str
    about: str
    least_sec: float = 30.0
    """with less left it is not worth a start"""
    most_sec: float = 180.0
    """after so long without a case done it hangs"""


StartPart = Callable[[Part, float], int | None]
"""(part, seconds that it may take) -> its exit status, None if it was stopped because its time was over."""


def run_parts(
    parts: Sequence[Part],
    out: Path,
    minutes: float,
    start: StartPart,
    *,
    clock: Clock = time.monotonic,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Run parts in their order until the time is over; returns the names of those that are not complete.

    A part that finds too little time left waits for another call; a later one may still fit in. What failed or hung is
    written as failed and not tried again.
    """
    end = clock() + 60 * minutes - LAST_SEC
    for part in parts:
        while not Results(out / RESULTS).complete(part.name):
            left = end - clock()
            if left < part.least_sec:
                say(f"{part.name}: {part.least_sec:.0f} s at least, {max(left, 0):.0f} left: the next call goes on")
                break
            say(f"{part.name}: {part.about} ({left:.0f} s left)")
            known = len(Results(out / RESULTS).cases(part.name))
            status = start(part, min(left, part.most_sec))
            if status is None and left <= part.most_sec:
                say(f"{part.name}: stopped, the time is over; the next call goes on")
                break
            results = Results(out / RESULTS)
            slow = status is None and len(results.cases(part.name)) > known  # what was stopped gets a time of its own
            if status not in (0, AGAIN) and not slow:
                hung = f"stopped after {part.most_sec:.0f} s"
                ended = hung if status is None else f"its process ended with status {status}"
                results.lost(part.name, f"{ended}; see log.txt")
    results = Results(out / RESULTS)
    return [part.name for part in parts if not results.complete(part.name)]


def start_part(setup: Setup) -> StartPart:
    """Return what starts a part of this package as a process group, and ends all of it when its time is over."""

    def start(part: Part, seconds: float) -> int | None:
        own = options_of(replace(setup, seconds=seconds))
        command = [sys.executable, "-m", "benchmarks.gpu.part", part.name, "--seconds", f"{seconds:.0f}", *own]
        return run_group(command, seconds, setup.out / "log.txt")

    return start


def run_group(command: Sequence[str], seconds: float, log: Path) -> int | None:
    """Run a command with all its children for so long at most; returns its exit status, None if time ended it.

    What it prints is added to the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n")
        file.flush()
        process = subprocess.Popen(command, stdout=file, stderr=file, env=env, start_new_session=True)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        end_group(process)


def end_group(process: subprocess.Popen) -> None:
    """Kill what is left of a command's process group, and wait for the command."""
    with suppress(ProcessLookupError):  # all of it has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
