"""`python -m egocurate.train` as a process: the command line that people type."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.gpu.setup import Setup

DURING = 0.05  # seconds between two looks


def train_command(setup: Setup, recipe: str, out: Path, settings: Mapping[str, object], mcq: bool = False) -> list[str]:
    """Return the command that trains a recipe on the clips of the pack to learn from, going on where OUT has a run."""
    learn = setup.learn
    command = [sys.executable, "-m", "egocurate.train", recipe, "--shards", str(learn["shards"]), "--out", str(out)]
    if mcq:
        command += ["--mcq-json", str(learn["mcq_json"]), "--mcq-shards", str(learn["mcq_shards"])]
    for key, value in {"device": setup.device, **settings}.items():
        command += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return [*command, "--resume"]


def run_command(command: Sequence[str], most_sec: float | None = None) -> bool:
    """Run to the end, or for so long at most; returns whether it came to its end.

    Raises RuntimeError with the last line that it said if it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=most_sec, check=False)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {last_line(done.stderr)}")
    return True


def run_and_kill(command: Sequence[str], checkpoint: Path, most_sec: float) -> bool:
    """Run until a checkpoint is there, then kill it with SIGKILL; False if it ended by itself before.

    Raises RuntimeError if it fails, or if the checkpoint does not come in time.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + most_sec
    while process.poll() is None and not checkpoint.exists() and time.monotonic() < end:
        time.sleep(DURING)
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    if process.returncode not in (0, -signal.SIGKILL):
        raise RuntimeError(f"status {process.returncode}: {last_line(said)}")
    if not checkpoint.exists():
        raise RuntimeError(f"no {checkpoint.name} within {most_sec:.0f} s")
    return process.returncode != 0


def last_line(said: str) -> str:
    """Return the last line of an output that says anything."""
    return next((line for line in reversed(said.splitlines()) if line.strip()), "it said nothing")


def column(out: Path, name: str) -> dict[int, float]:
    """Return the values of a column of a run's metrics.csv by step."""
    with (out / "metrics.csv").open(newline="") as file:
        return {int(row["step"]): float(row[name]) for row in csv.DictReader(file) if row.get(name)}
