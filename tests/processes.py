"""What tests of processes need: to wait until something has happened."""

import time
from collections.abc import Callable

WAIT_SEC = 60.0


def wait_until(happened: Callable[[], bool], seconds: float = WAIT_SEC) -> None:
    """Wait until something has happened; fails if it does not."""
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it has not happened"
        time.sleep(0.02)
