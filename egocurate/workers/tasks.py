"""What workers do for whoever has tasks for them, whether they are Ray's or processes of this machine."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from egocurate.errors import ClusterLost

MOST_TRIES = 4  # of a task whose worker dies, unless it says otherwise


class WorkerDied(ClusterLost):
    """The process of a task has died, by the task's doing or not."""


class NodeDied(WorkerDied):
    """The machine of a task has died, which was not the task's doing."""


@dataclass(frozen=True)
class Ended:
    """A task that has ended: the `key` it was submitted under, and what it returned or raised."""

    key: Hashable
    value: object = None
    error: Exception | None = None

    def result(self) -> object:
        """Return what the task returned; raises what it raised, or WorkerDied."""
        if self.error is not None:
            raise self.error
        return self.value


class Workers(Protocol):
    """Processes that run functions of modules on arguments that can be pickled."""

    def has_room(self) -> bool:
        """Tell whether another task would keep somebody busy."""

    def submit(self, key: Hashable, function: Callable, *arguments: object) -> None:
        """Run a function somewhere; there must be room."""

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tasks that have ended, waiting for the first so long; raises ClusterLost."""


def run_each(
    workers: Workers, function: Callable, tasks: Mapping[Hashable, tuple], look_sec: float = 1.0
) -> Iterator[Ended]:
    """Run a function on the arguments of each task, and yield the tasks as they end.

    One whose worker dies is run again, and ends with WorkerDied if that goes on.
    """
    waiting, tries = list(tasks)[::-1], dict.fromkeys(tasks, 0)
    running = 0
    while waiting or running:
        while waiting and workers.has_room():
            key = waiting.pop()
            workers.submit(key, function, *tasks[key])
            running += 1
        for ended in workers.wait(look_sec):
            running -= 1
            tries[ended.key] += not isinstance(ended.error, NodeDied)
            if isinstance(ended.error, WorkerDied) and tries[ended.key] < MOST_TRIES:
                waiting.insert(0, ended.key)
            else:
                yield ended
