"""The processes that a process has started, and those that these have started: found, and ended."""

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


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


def kill(processes: Iterable[int]) -> None:
    """End processes at once; nothing happens to one that has ended."""
    for process in processes:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
