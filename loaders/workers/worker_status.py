"""What each worker reads at the moment, so that one that stands still, or was killed, can be named."""

import logging
import mmap
import os
import re
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch.utils.data import get_worker_info

from egocurate.errors import InputError

_SLOT_BYTES = 512
_HEAD = struct.Struct("dqH")  # since when (monotonic, 0 while idle), process, bytes of the text

log = logging.getLogger(__name__)


class WorkerLost(InputError):  # noqa: N818 (reads as what happened)
    """A worker process was killed."""


@dataclass(frozen=True)
class Reading:
    """What a worker has been reading since a time (monotonic)."""

    worker: int
    pid: int
    since: float
    what: str


class WorkerStatus:
    """A note for each worker, in memory shared with the processes that fork from this one; it has no name to outlive.

    A process without workers writes the first.
    """

    def __init__(self, workers: int) -> None:
        """Begin with empty notes."""
        self._slots = max(1, workers)
        self._memory = mmap.mmap(-1, self._slots * _SLOT_BYTES)

    def note(self, what: str) -> None:
        """Say what this worker reads from now on."""
        text = what.encode()[: _SLOT_BYTES - _HEAD.size]
        at = self._place()
        self._memory[at + _HEAD.size : at + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._memory, at, time.monotonic(), os.getpid(), len(text))

    def clear(self) -> None:
        """Say that this worker reads nothing."""
        _HEAD.pack_into(self._memory, self._place(), 0.0, os.getpid(), 0)

    def readings(self) -> list[Reading]:
        """Return what is being read, longest first."""
        found = []
        for worker in range(self._slots):
            at = worker * _SLOT_BYTES
            since, pid, size = _HEAD.unpack_from(self._memory, at)
            text = self._memory[at + _HEAD.size : at + _HEAD.size + size]
            if since:
                found.append(Reading(worker, pid, since, text.decode(errors="replace")))
        return sorted(found, key=lambda reading: reading.since)

    def _place(self) -> int:
        info = get_worker_info()
        return (info.id if info else 0) * _SLOT_BYTES


class StallWatch:
    """Warns, from a thread, while a batch is waited for longer than `stall_sec`; again each time that long."""

    def __init__(self, board: WorkerStatus, stall_sec: float) -> None:
        """Sleep until the first wait."""
        self._board, self._stall_sec = board, stall_sec
        self._since: float | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time in the block as waiting for a batch."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="stall watch", daemon=True)
            self._thread.start()
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def close(self) -> None:
        """End the thread; the next wait starts another."""
        self._over.set()
        self._over, self._thread = threading.Event(), None

    def _watch(self) -> None:
        over, told, watched = self._over, 0, None
        while not over.wait(self._stall_sec / 8):
            since = self._since
            if since != watched:
                watched, told = since, 0
            if since is None:
                continue
            waited = time.monotonic() - since
            if waited >= (told + 1) * self._stall_sec:
                told = int(waited / self._stall_sec)
                log.warning("no batch for %.3g s: %s", waited, _told(self._board.readings()))


def _told(readings: list[Reading]) -> str:
    now = time.monotonic()
    each = [f"worker {r.worker} (pid {r.pid}) reads {r.what} since {now - r.since:.3g} s" for r in readings]
    return "; ".join(each) or "no worker reads anything"


def worker_lost(error: RuntimeError, board: WorkerStatus) -> WorkerLost | None:
    """Return one line for what a DataLoader raises when a worker was killed; None for any other error."""
    said = re.search(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", str(error))
    if said is None:
        return None
    pids = [int(pid) for pid in said[1].split(",")]
    what = [reading.what for reading in board.readings() if reading.pid in pids]
    doing = f" while it read {'; '.join(what)}" if what else ""
    how = re.search(r"is killed by signal: ([^.]+)", str(error))
    signal = f" by a signal ({how[1]})" if how else ""
    return WorkerLost(
        f"the loader's worker {said[1]} was killed{signal}{doing}: if the machine ran out of memory, take fewer "
        "workers or smaller batches; then resume"
    )
