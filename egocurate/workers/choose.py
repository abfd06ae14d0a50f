"""Choose who does the work: processes of this machine where it is soon done, Ray where there is more."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from egocurate.progress import Report, silent
from egocurate.ray_session import ray_session
from egocurate.workers.local import LocalWorkers
from egocurate.workers.tasks import Workers

SOON_SEC = 60.0
"""Work that takes this machine less is not worth the ten seconds and the half gigabyte of a Ray session."""
STAGE = "starting Ray"


@contextmanager
def open_workers(tasks: int, core_sec: float, report: Report = silent) -> Iterator[Workers]:
    """Have workers inside the block for so many tasks, which together would take a core about `core_sec` seconds.

    They are those of the Ray session that is up in this process. Where none is, they are processes of this machine for
    work that is soon done, and else those of a session that is started for them. Raises InputError if Ray does not
    come up. No task is at work after the block.
    """
    if _session_is_up():
        from egocurate.workers.on_ray import RayWorkers

        with RayWorkers() as workers:
            yield workers
        return
    processes = max(1, min(tasks, _cores()))
    if core_sec / processes < SOON_SEC:
        with LocalWorkers(processes) as workers:
            yield workers
        return
    from egocurate.workers.on_ray import RayWorkers

    report(STAGE, 0, 1)
    with ray_session(), RayWorkers() as workers:
        report(STAGE, 1, 1)
        yield workers


def _session_is_up() -> bool:
    """Tell whether Ray runs in this process, without importing it: that takes a second."""
    ray = sys.modules.get("ray")
    return ray is not None and ray.is_initialized()


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
