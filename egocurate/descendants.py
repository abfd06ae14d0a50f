"""The processes that a process has started, and those that these have started: found, and ended."""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

LAST_CALL_SEC = 1.0  # in which a killed process is gone, unless the disk holds it up


def descendants(ancestors: Iterable[int]) -> list[int]:
    """Return the numbers of the processes below others; none where there is no /proc."""
    children = defaultdict(list)
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            # The parent is the second field after the name, which may hold spaces and brackets.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            children[int(fields[1])].append(int(entry.name))
    found, below = [], list(ancestors)
    while below:
        below = [child for parent in below for child in children[parent]]
        found += below
    return found


def kill(processes: Collection[int]) -> None:
    """Kill processes and wait until they do nothing any more; nothing happens to one that has ended."""
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
    until = time.monotonic() + LAST_CALL_SEC
    while time.monotonic() < until and not all(map(has_ended, processes)):
        time.sleep(0.01)


def has_ended(process: int) -> bool:
    """Tell whether a process has ended; a zombie has, though nobody has asked for its status yet."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    return True
