"""One run at a time in a shard folder, on one machine or on many that share a file system.

A lock file names who writes there. Its holder refreshes it every few seconds, so that whoever comes later can tell a
run that goes on from one that was killed. It needs nothing but "create if absent", which every file system and most
object stores have; locks of the operating system end at the machine on many shared file systems.

Not filelock's SoftFileLease: it knows no object stores, hands the lock of a suspended run of this machine to the next,
and sees only after a minute of waiting that a run of another machine is gone, where the file's age says so at once.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from egocurate.errors import InputError
from egocurate.storage.atomic import TEMP_PREFIX

LOCK_FILE = ".lock"
BEAT_SEC = 5.0
STALE_SEC = 60.0  # without a beat: the holder is gone, whatever machine it ran on
SETTLE_SEC = 0.2  # after a takeover, for another run that took over in the same moment to show


class LockFile(Protocol):
    """The lock file of one folder, wherever that lies."""

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

    def __init__(self, folder: Path) -> None:
        """Lie in `folder`."""
        self.path = folder / LOCK_FILE

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
        """Read content and age; opening the file makes NFS ask the server for its time."""
        probe = self._temp()
        try:
            with self.path.open("rb") as file:
                content, beat = file.read(), os.fstat(file.fileno()).st_mtime
            # A file made now tells the file server's time: clocks of two machines need not agree.
            probe.touch()
            return content, probe.stat().st_mtime - beat
        except FileNotFoundError:
            return None
        finally:
            probe.unlink(missing_ok=True)

    def refresh(self) -> None:
        """Set the file's time to the server's now."""
        try:
            os.utime(self.path)
        except FileNotFoundError:
            return

    def remove(self) -> None:
        """Unlink the file."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock; a `pid` means something only on its `machine`, and with `born` it is never another process."""

    host: str
    pid: int
    machine: str
    born: str
    since: str
    token: str

    @classmethod
    def this_process(cls) -> "Holder":
        """Return this process as a holder from now on."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), _machine(), _born(os.getpid()), since, uuid.uuid4().hex)

    @classmethod
    def read(cls, content: bytes) -> "Holder | None":
        """Read a holder back; None if the content is none."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None

    def written(self) -> bytes:
        """Return the content of a lock file."""
        return json.dumps(asdict(self)).encode()

    def is_alive(self, age: float) -> bool:
        """Tell whether the run still goes on, `age` seconds after its last beat."""
        if self.machine == _machine():
            return _born(self.pid) == self.born
        return age < STALE_SEC


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
    took_over = False
    while True:
        if file.create(me.written()):
            if took_over:
                time.sleep(SETTLE_SEC)
            current = file.read()
            if current is not None and current[0] == me.written():
                return Lock(file, me, where)
            continue
        current = file.read()
        if current is None:
            continue
        holder = Holder.read(current[0])
        if holder.is_alive(current[1]) if holder else current[1] < STALE_SEC:
            raise _refusal(where, holder, current[1])
        # Of two runs that find the same dead holder, the slower must not remove the lock of the faster.
        later = file.read()
        if later is not None and later[0] == current[0]:
            file.remove()
        took_over = True


def _refusal(where: str, holder: Holder | None, age: float) -> InputError:
    if holder is None:
        return InputError(f"{where} has a {LOCK_FILE} that cannot be read: if no run is at work there, delete it")
    who = f"process {holder.pid} on {holder.host}, since {holder.since}"
    if holder.machine == _machine():
        return InputError(f"another run is writing in {where} ({who}): wait for it, or end it")
    left = f"if it was killed, try again in {max(1, round(STALE_SEC - age))} s"
    return InputError(f"another run is writing in {where} ({who}): wait for it, or end it; {left}")


def _machine() -> str:
    """Name what a process number belongs to: this boot of this kernel, and the process namespace of a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{uuid.getnode():x}"


def _born(pid: int) -> str:
    """Return when a process began, in a text that no later process of its number has; empty if there is none."""
    try:
        # Fields from the third on: the second, the name, may hold spaces and brackets. Zombies have ended.
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    except FileNotFoundError:
        pass
    if Path("/proc/self").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "running"
    return "running"
