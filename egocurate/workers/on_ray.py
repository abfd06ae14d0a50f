"""Workers of the Ray session that is up, on one machine or many."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING

from egocurate.errors import ClusterLost, InputError, ProcessEnds
from egocurate.ray_session import leave_ray, ray_task
from egocurate.workers.tasks import Ended, NodeDied, WorkerDied

if TYPE_CHECKING:
    import ray
    from ray.remote_function import RemoteFunction

# Enough to keep every core busy, few enough that a full disk or Ctrl-C stops the run at once.
TASKS_PER_CPU = 2
LOOK_SEC = 1.0  # in which the cluster's head must answer
SHUTDOWN_SEC = 0.5  # in which workers that have lost their node are gone
LAST_TASKS_SEC = 60.0
MISSED_LOOKS = 3  # in a row: the cluster is gone


class RayWorkers:
    """The workers of a session, two tasks for each core of it; no task is at work after the `with`."""

    def __init__(self) -> None:
        """Count the cores that there are."""
        import ray

        self._most = TASKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._running: dict[ray.ObjectRef, Hashable] = {}
        self._remote: dict[Callable, RemoteFunction] = {}
        self._cluster = _Cluster()

    def has_room(self) -> bool:
        """Tell whether there are fewer than two tasks for each core."""
        return len(self._running) < self._most

    def submit(self, key: Hashable, function: Callable, *arguments: object) -> None:
        """Run a function of a module as a Ray task."""
        if function not in self._remote:
            # Whether it is tried again is for the sender to say: the next attempt may depend on what the last one left.
            self._remote[function] = ray_task(function, num_cpus=1, max_retries=0)
        self._running[self._remote[function].remote(*arguments)] = key

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tasks that have ended, waiting for the first so long; raises ClusterLost."""
        import ray

        ended, _ = ray.wait(list(self._running), num_returns=1, timeout=seconds)
        if not ended:
            self._cluster.look()
        return [self._ended(handle) for handle in ended]

    def _ended(self, handle: ray.ObjectRef) -> Ended:
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

        key = self._running.pop(handle)
        try:
            return Ended(key, ray.get(handle))
        except NodeDiedError:
            self._cluster.look()
            return Ended(key, error=NodeDied("a node of the Ray cluster has died"))
        except (WorkerCrashedError, OutOfMemoryError) as error:
            return Ended(key, error=WorkerDied(f"a worker process has died ({type(error).__name__})"))
        except RayTaskError as error:
            return Ended(key, error=explained(error))
        except RayError as error:
            raise ClusterLost(f"the Ray session has ended ({type(error).__name__})") from error

    def __enter__(self) -> RayWorkers:
        """Nothing is left to do."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for tasks that are at work, or end them with the session where there is no time for that."""
        import ray

        if kind is not None and issubclass(kind, KeyboardInterrupt | ClusterLost):
            # Ray 2.60 may abort this process if it cancels a task that is just ending; leaving Ray ends them all.
            leave_ray(at_once=issubclass(kind, ProcessEnds))
            time.sleep(SHUTDOWN_SEC)
        elif self._running:
            ray.wait(list(self._running), num_returns=len(self._running), timeout=LAST_TASKS_SEC)


def explained(error: Exception) -> Exception:
    """Return the error of a task, in words that help where a worker lacks this package."""
    if isinstance(getattr(error, "cause", None), InputError):
        return error.cause
    if "No module named 'egocurate" not in str(error):
        return error
    return ClusterLost(
        "Ray's workers do not find this package: install egocurate in the Python environment of every node, "
        "the same version as here, and start the nodes again"
    )


class _Cluster:
    """Notices that the cluster's head is gone, for which Ray itself would wait a minute and then end this process."""

    def __init__(self) -> None:
        import ray

        # Through Ray Client there is no head to look at: the client notices by itself.
        self._head = None if ray.util.client.ray.is_connected() else ray.get_runtime_context().gcs_address
        self._missed = 0

    def look(self) -> None:
        """Raise ClusterLost if the head has not answered for several looks."""
        self._missed = 0 if self._answers() else self._missed + 1
        if self._missed >= MISSED_LOOKS:
            raise ClusterLost(f"the Ray cluster at {self._head} has ended")

    def _answers(self) -> bool:
        if self._head is None:
            return True
        host, _, port = self._head.rpartition(":")
        try:
            # Not through Ray: its calls do not come back when the head goes down meanwhile.
            socket.create_connection((host, int(port)), LOOK_SEC).close()
        except OSError:
            return False
        return True
