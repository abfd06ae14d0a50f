"""How many workers decode for a rank, and how many batches each makes ahead: by its cores and the machine's memory."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS, StreamConfig
from egocurate.loaders.workers.host import Machine, this_rank

PREFETCHED = 2
"""batches that each worker makes ahead of need, where the memory allows"""
IN_USE = 4
"""batches that a trainer may hold, each in a buffer that is used again; more get memory of their own"""
HOST_SHARE = 0.25
"""of a machine's memory that the batches on their way, of all of its ranks, may take at most"""
_GIB = 2**30
MOST_LOCKED = 16 * _GIB
"""page-locked bytes of a rank at most: some seconds of the largest clips that a GPU takes; no other process can have
them, and those of eight ranks would else be an eighth of a large machine"""


def batch_bytes(config: StreamConfig, anchors: int) -> int:
    """Return the bytes of the frames of a batch of so many anchors, cropped."""
    return anchors * (2 if config.negatives else 1) * config.frames * config.size**2 * 3


def held_batches(workers: int, prefetched: int) -> int:
    """Return how many batches lie in memory at most: those made ahead, each page-locked once more, and those in use."""
    return 2 * workers * prefetched + IN_USE


def locked_bytes(size: int) -> int:
    """Return the bytes that PyTorch page-locks for a tensor of so many: the next power of two."""
    return 1 << (size - 1).bit_length()


def batches_ahead(workers: int, bytes_of_batch: int, memory: int) -> int:
    """Return how many batches each worker makes ahead: two, or one where two of each would pass a bound."""
    fits = held_batches(workers, PREFETCHED) * bytes_of_batch <= HOST_SHARE * memory
    return PREFETCHED if fits and workers * PREFETCHED * locked_bytes(bytes_of_batch) <= MOST_LOCKED else 1


def choose_workers(machine: Machine, bytes_of_batch: int) -> int:
    """Return as many workers as the rank has cores, less the trainer's, and as their batches fit; at least one."""
    most = (HOST_SHARE * machine.memory / bytes_of_batch - IN_USE) // 2  # of one batch each
    return int(max(1, min(machine.cores - 1, most, MOST_LOCKED // locked_bytes(bytes_of_batch))))


def with_workers(config: StreamConfig, anchors: int, machine: Machine | None = None) -> StreamConfig:
    """Return the config with a number of workers for batches of so many anchors, where it leaves that open."""
    if config.workers != AUTO_WORKERS:
        return config
    return replace(config, workers=choose_workers(machine or this_rank(), batch_bytes(config, anchors)))


def workers_line(config: StreamConfig, anchors: int, machine: Machine | None = None) -> str:
    """Return a line on the workers that `with_workers` chose."""
    machine, size = machine or this_rank(), batch_bytes(config, anchors)
    ahead = batches_ahead(config.workers, size, machine.memory)
    held = held_batches(config.workers, ahead) * size / _GIB
    locked = config.workers * ahead * locked_bytes(size) / _GIB
    return (
        f"data.workers={config.workers} for a rank's {machine.cores} cores; batches on their way take up to "
        f"{held:,.1f} GiB of the host's memory, with {locked:,.1f} GiB page-locked where there is a GPU"
    )
