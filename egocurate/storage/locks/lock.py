"""One run at a time in a shard folder, on one machine or on many that share a file system.

A lock file names who writes there. Its holder refreshes it every few seconds, so that whoever comes later can tell a
run that goes on from one that was killed. It needs nothing but "create if absent", which every file system and most
object stores have; locks of the operating system end at the machine on many shared file systems.

Not filelock's SoftFileLease: it knows no object stores, hands the lock of a suspended run of this machine to the next,
and sees only after a minute of waiting that a run of another machine is gone, where the file's age says so at once.
"""

import errno
import hashlib
import os
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from egocurate.errors import InputError
from egocurate.storage.atomic import TEMP_PREFIX
from egocurate.storage.locks.holder import Holder, machine

LOCK_FILE = ".lock"
BEAT_SEC = 5.0
STALE_SEC = 60.0  # without a beat: the holder is gone, whatever machine it ran on
CLAIM_SEC = 0.02  # between two looks at a lock that another run is just clearing away
LONGEST_BYTES = 1 << 16  # no lock file is longer


class LockFile(Protocol):
    """The lock file of one folder, wherever that lies; `beside` is another such file."""

    def beside(self, name: str) -> "LockFile":
        """Return the lock file called `name` in the same folder."""

    def create(self, content: bytes) -> bool:
        """Write the file if it is absent, in one step, and tell whether this was so."""

    def read(self) -> tuple[bytes, float] | None:
        """Return the content and the seconds since it was made or refreshed, by the store's clock; None if absent."""

    def refresh(self) -> None:
        """Make the file young again; nothing happens if it is absent."""

    def remove(self) -> None:
        """Remove the file; nothing happens if it is absent."""


class LocalLockFile:
    """A lock file on a mounted file system."""

    def __init__(self, folder: Path, name: str = LOCK_FILE) -> None:
        """Lie in `folder` under this name."""
        self.path = folder / name

    def beside(self, name: str) -> "LocalLockFile":
        """Return the lock file called `name` in the same folder."""
        return LocalLockFile(self.path.parent, name)

    def _temp(self) -> Path:
        # So called that what a killed process leaves is tidied up by the next run.
        return self.path.with_name(f"{TEMP_PREFIX}{uuid.uuid4().hex}{LOCK_FILE}")

    def create(self, content: bytes) -> bool:
        """Link a finished file to the name: no one reads a half-written one, and on NFS too only one link succeeds."""
        temp = self._temp()
        try:
            temp.parent.mkdir(parents=True, exist_ok=True)  # a run that failed may have removed its empty folder
            temp.write_bytes(content)
            self.path.hardlink_to(temp)
        except (FileExistsError, FileNotFoundError):
            # FileNotFoundError: the holder has tidied up meanwhile.
            return False
        finally:
            temp.unlink(missing_ok=True)
        return True

    def read(self) -> tuple[bytes, float] | None:
        """Read content and age; opening the file makes NFS ask the server for its time.

        Raises InputError for a link, a pipe or a folder under the lock's name: to open one may wait for ever.
        """
        probe = self._temp()
        try:
            with os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise _no_file(self.path)
                content, beat = file.read(LONGEST_BYTES), status.st_mtime
            # A file made now tells the file server's time: clocks of two machines need not agree.
            probe.touch()
            return content, probe.stat().st_mtime - beat
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise _no_file(self.path) from error
            raise
        finally:
            probe.unlink(missing_ok=True)

    def refresh(self) -> None:
        """Set the file's time to the server's now."""
        try:
            os.utime(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return

    def remove(self) -> None:
        """Unlink the file."""
        self.path.unlink(missing_ok=True)


class Lock:
    """A lock that is held: beats until it is let go."""

    def __init__(self, file: LockFile, holder: Holder, where: str) -> None:
        """Start beating."""
        self._file, self._holder, self._where = file, holder, where
        self._taken_by: str | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock beat", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise InputError if another run has taken the folder over, as it may after this one was suspended."""
        if self._taken_by is not None:
            raise InputError(
                f"{self._where} was taken over by {self._taken_by} while this run stood still: let that one finish"
            )

    def release(self) -> None:
        """Stop beating and remove the file, if it is still this run's."""
        self._over.set()
        self._thread.join()
        if self._is_mine():
            self._file.remove()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_SEC) and self._taken_by is None:
            try:
                if self._is_mine():
                    self._file.refresh()
            except InputError as error:
                self._taken_by = f"somebody else ({error})"
            except OSError:
                continue  # The store does not answer: the next beat may come through, and the run itself will say.

    def _is_mine(self) -> bool:
        current = self._file.read()
        holder = Holder.read(current[0]) if current else None
        if holder == self._holder:
            return True
        self._taken_by = f"process {holder.pid} on {holder.host}" if holder else "nobody known (its lock file is gone)"
        return False


@contextmanager
def locked(folder: str | Path, file: LockFile | None = None) -> Iterator[Lock]:
    """Keep other runs out of `folder` inside the block; raises InputError, naming the holder, if one is at work there.

    `file` is the lock file of a folder that is not on a mounted file system.
    """
    held = _acquire(file or LocalLockFile(Path(folder)), str(folder))
    try:
        yield held
    finally:
        held.release()


def _acquire(file: LockFile, where: str) -> Lock:
    me = Holder.this_process()
    _take(file, me.written(), where)
    return Lock(file, me, where)


def _take(file: LockFile, mine: bytes, where: str) -> None:
    """Write `mine` to the lock file where there is none, or a dead run's; raises InputError where a run goes on."""
    patience_ends = time.monotonic() + STALE_SEC
    while True:
        if file.create(mine):
            current = file.read()
            if current is not None and current[0] == mine:
                return
            continue
        current = file.read()
        if current is None:
            continue
        if _goes_on(file, *current):
            raise _refusal(where, Holder.read(current[0]), current[1])
        try:
            _clear_away(file, current[0], mine, where)
        except InputError:
            # Another run is at it, which takes it a moment, unless it was stopped there.
            if time.monotonic() > patience_ends:
                raise
            time.sleep(CLAIM_SEC)


def _goes_on(file: LockFile, content: bytes, age: float) -> bool:
    """Tell whether the run that wrote this content, `age` seconds after its last beat, still goes on."""
    holder = Holder.read(content)
    runs = holder.runs() if holder else None
    if runs is not None:
        return runs
    if age < -STALE_SEC:
        # The file's time is in the future, as after a copy or a clock put right: a beat would bring it to now.
        time.sleep(2 * BEAT_SEC)
        later = file.read()
        return later is not None and (later[0] != content or later[1] >= -BEAT_SEC)
    return age < STALE_SEC


def _clear_away(file: LockFile, dead: bytes, mine: bytes, where: str) -> None:
    """Remove the lock file if it still holds what a dead run wrote; raises InputError if another run is doing so.

    Of two runs that find the same dead holder the slower must not remove the lock of the faster, however slow it is: so
    whoever removes that content holds a lock named after it, and looks again while holding it.
    """
    claim = file.beside(_claim_on(dead))
    _take(claim, mine, where)
    current = file.read()
    if current is not None and current[0] == dead:
        file.remove()
    claim.remove()


def _claim_on(content: bytes) -> str:
    return f"{TEMP_PREFIX}{hashlib.sha256(content).hexdigest()[:16]}{LOCK_FILE}"


def _refusal(where: str, holder: Holder | None, age: float) -> InputError:
    if holder is None:
        return InputError(f"{where} has a {LOCK_FILE} that cannot be read: if no run is at work there, delete it")
    who = f"process {holder.pid} on {holder.host}, since {holder.since}"
    if holder.machine == machine():
        return InputError(f"another run is writing in {where} ({who}): wait for it, or end it")
    left = f"if it was killed, try again in {max(1, round(STALE_SEC - age))} s"
    return InputError(f"another run is writing in {where} ({who}): wait for it, or end it; {left}")


def _no_file(path: Path) -> InputError:
    return InputError(f"{path} is a link, a pipe or a folder where a lock file belongs: remove it, and run again")
