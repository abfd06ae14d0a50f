"""A run killed with SIGKILL goes on with the losses of one that was not; two ranks on one GPU learn what one learns."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.gpu.results import Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.train_command import DURING, column, last_line, run_and_kill, run_command, train_command
from egocurate.training.run.checkpoint_folders import checkpoint_folder

RECIPE = "egovlp-tiny"
_SAME, _CLOSE = 1e-5, 5e-3  # relative: sums in another order; another split of the batch as well
_WAIT_SEC = 90.0


def cases(setup: Setup, results: Results) -> Mapping[str, Case]:
    """Return the cases: one run after a kill, two ranks by either library, on the unbroken run's losses."""
    return {
        "unbroken": lambda: unbroken(setup),
        "killed and resumed": lambda: killed(setup),
        "two ranks, gloo": lambda: two_ranks(setup, "gloo"),
        "two ranks, NCCL": lambda: two_ranks(setup, "nccl"),
    }


def unbroken(setup: Setup) -> Facts:
    """Train the run that the others are compared with."""
    out = setup.work / "unbroken"
    run_command(train_command(setup, RECIPE, out, _settings(setup)))
    losses = column(out, "loss")
    return {"steps": len(losses), "last loss": losses[max(losses)]}


def killed(setup: Setup) -> Facts:
    """Compare losses by step of a run that is killed after a checkpoint, and resumed, with an unbroken one's."""
    settings, broken = _settings(setup), setup.work / "broken"
    command = train_command(setup, RECIPE, broken, settings)
    was_killed = run_and_kill(command, checkpoint_folder(broken, settings["checkpoint_every"]), _WAIT_SEC)
    steps_before = max(column(broken, "loss"), default=0)
    run_command(command)
    facts = compare(column(setup.work / "unbroken", "loss"), column(broken, "loss"))
    return facts | {"killed": was_killed, "killed at step": steps_before, "equal": facts["apart"] <= _SAME}


def two_ranks(setup: Setup, backend: str) -> Facts:
    """Compare losses by step of two ranks on one device with the unbroken run's; raises if the library refuses."""
    if setup.device == "cpu" and backend == "nccl":
        return {"absent": "no GPU"}
    out = setup.work / f"two-{backend}"
    run_ranks(train_command(setup, RECIPE, out, _settings(setup)), backend, setup.work)
    facts = compare(column(setup.work / "unbroken", "loss"), column(out, "loss"))
    return facts | {"equal": facts["apart"] <= _CLOSE}


def compare(expected: Mapping[int, float], found: Mapping[int, float]) -> Facts:
    """Return how many steps have a loss, and how far apart the losses are, relative to the expected one.

    Raises ValueError if one of the two has a step that the other has not.
    """
    if expected.keys() != found.keys() or not expected:
        raise ValueError(f"losses of {len(found)} steps, of {len(expected)} expected")
    apart = max(abs(found[step] - loss) / abs(loss) for step, loss in expected.items())
    return {"steps": len(expected), "apart": apart, "to the bit": apart == 0, "last loss": found[max(found)]}


def run_ranks(command: Sequence[str], backend: str, work: Path) -> None:
    """Run a training command as two ranks that share a device; raises RuntimeError with what the first to fail said.

    Each takes itself for the first process of its machine, and so the first GPU.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    said = [work / f"{backend}-{rank}.log" for rank in range(2)]
    ranks = []
    for rank, log in enumerate(said):
        arguments = [sys.executable, "-m", "benchmarks.gpu.rank", backend, str(port), str(rank), *command[3:]]
        with log.open("w") as file:
            ranks.append(subprocess.Popen(arguments, stdout=file, stderr=file))
    end = time.monotonic() + _WAIT_SEC
    try:
        while any(rank.poll() is None for rank in ranks) and not any(rank.poll() for rank in ranks):
            if time.monotonic() > end:
                raise RuntimeError(f"two ranks stand still for {_WAIT_SEC:.0f} s: {last_line(said[0].read_text())}")
            time.sleep(DURING)
        for rank, log in zip(ranks, said, strict=True):
            if rank.poll():
                raise RuntimeError(f"status {rank.poll()}: {last_line(log.read_text())}")
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def _settings(setup: Setup) -> dict[str, object]:
    """Return settings of a short run with dropout, whose random numbers must go on as well."""
    steps = 6 if setup.small else 40
    return {
        "max_steps": steps,
        "checkpoint_every": steps // 3,
        "log_every": 1,
        "batch_size": 4 if setup.small else 32,
        "data.workers": 0 if setup.small else 2,
        "model.text.dropout": 0.0 if setup.small else 0.1,
    }
