"""Who holds a lock, and whether that process still runs."""

import json
import os
import socket
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

PROC = Path("/proc")


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
        return cls(socket.gethostname(), os.getpid(), machine(), _born(os.getpid()) or "", since, uuid.uuid4().hex)

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

    def runs(self) -> bool | None:
        """Tell whether the process still runs; None if that cannot be seen from here and its beats have to tell."""
        born = _born(self.pid) if self.machine == machine() else None
        return None if born is None or not self.born else born == self.born


def machine() -> str:
    """Name what a process number belongs to: this boot of this kernel, and the process namespace of a container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return f"{uuid.getnode():x}"


def _born(pid: int) -> str | None:
    """Return when a process began, in a text that no later process of its number has.

    Empty if there is none; None if there is one, of which this process may not see more (or no system tells more).
    """
    try:
        # Fields from the third on: the second, the name, may hold spaces and brackets. Zombies have ended.
        state, *fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else fields[18]
    except (FileNotFoundError, PermissionError, ProcessLookupError):
        # No such process; or /proc hides those of other users, or is not there at all.
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return None
    return None
