"""What a command costs with all its child processes: wall time, CPU time, peak memory. Linux only: reads /proc."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_EVERY_SEC = 0.25
_PAUSES = 30  # times as long as looking takes: the kernel walks all pages, and a process that wants more memory waits


@dataclass(frozen=True)
class Usage:
    """Seconds and bytes of a finished command; `peak_bytes` counts memory that processes share once."""

    wall_sec: float
    cpu_sec: float
    peak_bytes: int
    output: str


def run_measured(command: Sequence[str]) -> Usage:
    """Run a command to its end and sample its tree of processes; raises CalledProcessError if it fails."""
    began, peak, cpu = time.perf_counter(), 0, {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while process.poll() is None:
        looked = time.perf_counter()
        tree = _tree(process.pid)
        cpu |= tree
        peak = max(peak, sum(_memory(pid) for pid in tree))
        pause = max(_EVERY_SEC, _PAUSES * (time.perf_counter() - looked))
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
    wall = time.perf_counter() - began
    output = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(command), output)
    return Usage(wall, sum(cpu.values()), peak, output)


def cpu_seconds(root: int) -> float:
    """Return the CPU seconds so far of a living process and all below it."""
    return sum(_tree(root).values())


def _tree(root: int) -> dict[int, float]:
    """Return the CPU seconds so far of a process and all below it."""
    parents, seconds = {}, {}
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            fields = _read(folder / "stat").rpartition(")")[2].split()  # from field 3 on: the name may hold blanks
            if fields:
                parents[int(folder.name)] = int(fields[1])
                seconds[int(folder.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
    found, last = {root}, 0
    while len(found) > last:
        last = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return {pid: seconds[pid] for pid in found if pid in seconds}


def _memory(pid: int) -> int:
    """Return a process's proportional set size in bytes."""
    for line in _read(_PROC / str(pid) / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return ""
