"""A run killed with SIGKILL goes on with the losses of one that was not; two ranks on one GPU learn what one learns."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from benchmarks.gpu.results import ABSENT, Results
from benchmarks.gpu.setup import Case, Facts, Setup
from benchmarks.gpu.train_command import DURING, column, last_line, run_and_kill, run_command, train_command
from egocurate.training.run.checkpoint_folders import checkpoint_folder

RECIPE = "egovlp-tiny"
_CLOSE = 1e-3  # relative: sums in another order, which grow apart with the steps
_COMPARED = 20  # steps of two ranks


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
    """Compare losses by step of a run that is killed after a checkpoint, and resumed, with an unbroken one's.

    Raises RuntimeError if it came to its end before it could be killed.
    """
    settings, broken = _settings(setup), setup.work / "broken"
    command = train_command(setup, RECIPE, broken, settings)
    if not run_and_kill(command, checkpoint_folder(broken, settings["checkpoint_every"]), setup.patience_sec):
        raise RuntimeError("the run ended before it was killed: take more steps")
    last = max(column(broken, "loss"))
    run_command(command)
    expected, found = column(setup.work / "unbroken", "loss"), column(broken, "loss")
    facts = compare(expected, found) | {"killed after step": last}
    facts["apart before"] = compare(_first(expected, last), _first(found, last))[
        "apart"
    ]  # kernels that are no function
    return facts | {"equal": facts["apart"] <= _CLOSE}


def two_ranks(setup: Setup, backend: str) -> Facts:
    """Compare losses of the first steps of two ranks on one device with one rank's; raises if the library refuses."""
    if setup.device == "cpu" and backend == "nccl":
        return {ABSENT: "no GPU"}
    out = setup.work / f"two-{backend}"
    run_ranks(train_command(setup, RECIPE, out, _settings(setup)), backend, setup)
    losses = (column(run, "loss") for run in (setup.work / "unbroken", out))
    facts = compare(*(_first(each, _COMPARED) for each in losses))
    return facts | {"equal": facts["apart"] <= _CLOSE}


def compare(expected: Mapping[int, float], found: Mapping[int, float]) -> Facts:
    """Return how many steps have a loss, and how far apart the losses are, relative to the expected one.

    Raises ValueError if one of the two has a step that the other has not.
    """
    if expected.keys() != found.keys() or not expected:
        raise ValueError(f"losses of {len(found)} steps, of {len(expected)} expected")
    apart = max(abs(found[step] - loss) / abs(loss) for step, loss in expected.items())
    return {"steps": len(expected), "apart": apart, "to the bit": apart == 0, "last loss": found[max(found)]}


def _first(losses: Mapping[int, float], last: int) -> dict[int, float]:
    return {step: loss for step, loss in losses.items() if step <= last}


def run_ranks(command: Sequence[str], backend: str, setup: Setup) -> None:
    """Run a training command as two ranks that share a device; raises RuntimeError with what the first to fail said.

    Each takes itself for the first process of its machine, and so the first GPU.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    said = [setup.work / f"{backend}-{rank}.log" for rank in range(2)]
    ranks = []
    for rank, log in enumerate(said):
        arguments = [sys.executable, "-m", "benchmarks.gpu.rank", backend, str(port), str(rank), *command[3:]]
        with log.open("w") as file:
            ranks.append(subprocess.Popen(arguments, stdout=file, stderr=file))
    end = time.monotonic() + setup.patience_sec
    try:
        while any(rank.poll() is None for rank in ranks) and not any(rank.poll() for rank in ranks):
            if time.monotonic() > end:
                raise RuntimeError(
                    f"two ranks stand still for {setup.patience_sec:.0f} s: {last_line(said[0].read_text())}"
                )
            time.sleep(DURING)
        for rank, log in zip(ranks, said, strict=True):
            if rank.poll():
                raise RuntimeError(f"status {rank.poll()}: {last_line(log.read_text())}")
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()


def _settings(setup: Setup) -> dict[str, object]:
    """Return settings of a run in float32: in bf16 the kernels' own differences from run to run would hide others."""
    steps = 12 if setup.small else 240
    return {
        "precision": "fp32",
        "max_steps": steps,
        "epochs": 1000,
        "checkpoint_every": steps // 3,
        "log_every": 1,
        "batch_size": 4 if setup.small else 32,
        "data.workers": 0 if setup.small else 2,
    }
