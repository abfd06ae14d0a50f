"""What tests of processes ask: whether one is gone, and to wait until something has happened."""

import time
from collections.abc import Callable
from pathlib import Path

WAIT_SEC = 60.0


def gone(process: int) -> bool:
    """Tell whether a process has ended; a zombie has, though nobody has asked for its status yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(happened: Callable[[], bool], seconds: float = WAIT_SEC) -> None:
    """Wait until something has happened; fails if it does not."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.02)
