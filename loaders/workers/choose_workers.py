"""How many workers decode for a rank, and how many batches each makes ahead: by its cores and the machine's memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from egocurate.loaders.config import AUTO_WORKERS, StreamConfig

PREFETCHED = 2
"""batches that each worker makes ahead of need, where the memory allows"""
IN_USE = 4
"""batches that a trainer may hold, each in a buffer that is used again; more get memory of their own"""
HOST_SHARE = 0.25
"""of a machine's memory that the batches on their way, of all of its ranks, may take at most"""
_GIB = 2**30


class Machine(NamedTuple):
    """What a rank has of the machine that it runs on."""

    cores: int
    memory: int
    """bytes"""


def this_rank() -> Machine:
    """Return this rank's share of the cores that it may use and of the memory, which the machine's ranks divide."""
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # as torchrun says it
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(max(1, cores // ranks), _memory() // ranks)


def batch_bytes(config: StreamConfig, anchors: int) -> int:
    """Return the bytes of the frames of a batch of so many anchors, cropped."""
    return anchors * (2 if config.negatives else 1) * config.frames * config.size**2 * 3


def held_batches(workers: int, prefetched: int) -> int:
    """Return how many batches lie in memory at most: those made ahead, each page-locked once more, and those in use."""
    return 2 * workers * prefetched + IN_USE


def batches_ahead(workers: int, bytes_of_batch: int, memory: int) -> int:
    """Return how many batches each worker makes ahead: two, or one where two of each would pass `HOST_SHARE`."""
    fits = held_batches(workers, PREFETCHED) * bytes_of_batch <= HOST_SHARE * memory
    return PREFETCHED if fits else 1


def choose_workers(machine: Machine, bytes_of_batch: int) -> int:
    """Return as many workers as the rank has cores, less the trainer's, and as their batches fit; at least one."""
    most = (HOST_SHARE * machine.memory / bytes_of_batch - IN_USE) // 2  # of one batch each
    return int(max(1, min(machine.cores - 1, most)))


def with_workers(config: StreamConfig, anchors: int, machine: Machine | None = None) -> StreamConfig:
    """Return the config with a number of workers for batches of so many anchors, where it leaves that open."""
    if config.workers != AUTO_WORKERS:
        return config
    return replace(config, workers=choose_workers(machine or this_rank(), batch_bytes(config, anchors)))


def workers_line(config: StreamConfig, anchors: int, machine: Machine | None = None) -> str:
    """Return a line on the workers that `with_workers` chose."""
    machine, size = machine or this_rank(), batch_bytes(config, anchors)
    held = held_batches(config.workers, batches_ahead(config.workers, size, machine.memory)) * size / _GIB
    return (
        f"data.workers={config.workers} for a rank's {machine.cores} cores; batches on their way take up to "
        f"{held:,.1f} GiB of the host's memory"
    )


def _memory() -> int:
    """Return the bytes of memory that the machine has, or that the group of processes may use (cgroup v2)."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else ""
    return min(whole, int(text)) if text.isdigit() else whole
