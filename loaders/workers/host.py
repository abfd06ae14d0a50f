"""What a rank has of the machine that it runs on: cores and memory, which the machine's ranks divide."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


class Machine(NamedTuple):
    """What a rank has of the machine that it runs on."""

    cores: int
    memory: int
    """bytes"""


def this_rank() -> Machine:
    """Return this rank's share of the cores that it may use and of the memory, whatever is in it now."""
    ranks = ranks_here()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(max(1, cores // ranks), whole_bytes() // ranks)


def ranks_here() -> int:
    """Return how many ranks share the machine, as torchrun says it."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def whole_bytes(cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory that the machine has, or that the group of processes may use (cgroup v2)."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _limit(cgroup)
    return whole if limit is None else min(whole, limit)


def free_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Return the bytes of memory that are free, inside a container those that it may still take.

    Where the system tells neither, as if memory had no end.
    """
    free = 2**62
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in lines else free
    limit, used = _limit(cgroup), cgroup / "memory.current"
    if limit is not None and used.exists():
        free = min(free, max(0, limit - int(used.read_text())))
    return free


def _limit(cgroup: Path) -> int | None:
    limit = cgroup / "memory.max"
    text = limit.read_text().strip() if limit.is_file() else ""
    return int(text) if text.isdigit() else None
