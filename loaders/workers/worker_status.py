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
from egocurate.storage.redacted import redacted

_NOTE_BYTES = 512
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
        self._workers = max(1, workers)
        self._memory = mmap.mmap(-1, self._workers * _NOTE_BYTES)

    def note(self, what: str) -> None:
        """Say what this worker reads from now on."""
        text = what.encode()[: _NOTE_BYTES - _HEAD.size]
        at = self._start()
        self._memory[at + _HEAD.size : at + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._memory, at, time.monotonic(), os.getpid(), len(text))

    def clear(self) -> None:
        """Say that this worker reads nothing."""
        _HEAD.pack_into(self._memory, self._start(), 0.0, os.getpid(), 0)

    def readings(self) -> list[Reading]:
        """Return what is being read, longest first."""
        readings = []
        for worker in range(self._workers):
            at = worker * _NOTE_BYTES
            since, pid, size = _HEAD.unpack_from(self._memory, at)
            text = self._memory[at + _HEAD.size : at + _HEAD.size + size]
            if since:
                readings.append(Reading(worker, pid, since, redacted(text.decode(errors="replace"))))
        return sorted(readings, key=lambda reading: reading.since)

    def _start(self) -> int:
        """Return where this worker's note starts in the memory."""
        info = get_worker_info()
        return (info.id if info else 0) * _NOTE_BYTES


class StallWatch:
    """Warns, from a thread, while a batch is waited for longer than `stall_sec`; again each time that long."""

    def __init__(self, status: WorkerStatus, stall_sec: float) -> None:
        """Sleep until the first wait."""
        self._status, self._stall_sec = status, stall_sec
        self._since: float | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time inside this `with` as waiting for a batch."""
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
        over, warnings, watched = self._over, 0, None
        while not over.wait(self._stall_sec / 8):
            since = self._since
            if since != watched:
                watched, warnings = since, 0
            if since is None:
                continue
            waited = time.monotonic() - since
            if waited >= (warnings + 1) * self._stall_sec:
                warnings = int(waited / self._stall_sec)
                log.warning("no batch for %.3g s: %s", waited, _in_words(self._status.readings()))


def _in_words(readings: list[Reading]) -> str:
    now = time.monotonic()
    each = [f"worker {r.worker} (pid {r.pid}) reads {r.what} since {now - r.since:.3g} s" for r in readings]
    return "; ".join(each) or "no worker reads anything"


def worker_lost(error: RuntimeError, status: WorkerStatus) -> WorkerLost | None:
    """Return one line for what a DataLoader raises when a worker was killed; None for any other error."""
    worker = re.search(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)", str(error))
    if worker is None:
        return None
    pids = [int(pid) for pid in worker[1].split(",")]
    what = [reading.what for reading in status.readings() if reading.pid in pids]
    doing = f" while it read {'; '.join(what)}" if what else ""
    signal = re.search(r"is killed by signal: ([^.]+)", str(error))
    by = f" by a signal ({signal[1]})" if signal else ""
    return WorkerLost(
        f"the loader's worker {worker[1]} was killed{by}{doing}: if the machine ran out of memory, take fewer "
        "workers or smaller batches; then resume"
    )
