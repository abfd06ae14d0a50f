"""Give shards to Ray's workers, a few at a time, and give those again whose worker died."""

import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from egocurate.errors import ClusterLost, InputError
from egocurate.ray_session import ray_task
from egocurate.shards.write.build_shard import ShardOutcome, ShardTask, build_shard, trouble_file

if TYPE_CHECKING:
    import ray

# Enough to keep every core busy, few enough that a full disk or Ctrl-C stops the run at once.
TASKS_PER_CPU = 2
LOOK_SEC = 1.0  # between two looks at the cluster while no shard ends
SHUTDOWN_SEC = 0.5  # in which workers that have lost their node are gone
LAST_TASKS_SEC = 60.0
MISSED_LOOKS = 3  # in a row: the cluster is gone
# Of one shard, without a note of what kills them; a kill from outside seldom hits the same shard twice.
DEATHS_TO_BE_CAREFUL, DEATHS_TO_GIVE_UP = 3, 6

TaskOf = Callable[[int, bool], ShardTask]
Done = Callable[[int, ShardOutcome], None]


def run_tasks(shards: list[int], task_of: TaskOf, done: Done, check: Callable[[], None]) -> None:
    """Build `shards` on the Ray session that is up; tasks come from `task_of(shard, careful)`, ends go to `done`.

    `check` is called every second or so and may raise, which ends the run. Raises ClusterLost if the session has ended,
    and what a task raises. However it ends, no task is at work any more.
    """
    running: dict[ray.ObjectRef, tuple[int, ShardTask]] = {}
    with none_left_at_work(running):
        _run(shards, running, task_of, done, check)


@contextmanager
def none_left_at_work(running: Collection["ray.ObjectRef"]) -> Iterator[None]:
    """End the tasks that are in `running` by then if the `with` is left by an exception."""
    import ray

    try:
        yield
    except (KeyboardInterrupt, ClusterLost):
        # Ray 2.60 may abort this process if it cancels a task that is just ending; leaving Ray ends them all.
        ray.shutdown()
        time.sleep(SHUTDOWN_SEC)
        raise
    except BaseException:
        if running:
            ray.wait(list(running), num_returns=len(running), timeout=LAST_TASKS_SEC)
        raise


def _run(
    waiting: list[int],
    running: dict,
    task_of: TaskOf,
    done: Done,
    check: Callable[[], None],
) -> None:
    import ray
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

    # Tried again here, not by Ray: the next attempt depends on what the last one left.
    remote = ray_task(build_shard, num_cpus=1, max_retries=0)
    most_running = TASKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting = waiting[::-1]
    deaths, cluster = _Deaths(), _Cluster()
    while waiting or running:
        while waiting and len(running) < most_running:
            shard = waiting.pop()
            task = task_of(shard, deaths.are_many(shard))
            running[remote.remote(task)] = shard, task
        ended, _ = ray.wait(list(running), num_returns=1, timeout=LOOK_SEC)
        check()
        if not ended:
            cluster.look()
        for handle in ended:
            shard, task = running.pop(handle)
            try:
                outcome = ray.get(handle)
            except NodeDiedError:
                cluster.look()
                waiting.insert(0, shard)
            except (WorkerCrashedError, OutOfMemoryError) as error:
                deaths.add(shard, task, error)
                # At the end of the queue: whatever goes about killing workers now will have gone by then.
                waiting.insert(0, shard)
            except RayTaskError as error:
                raise explained(error) from error
            except RayError as error:
                raise ClusterLost(f"the Ray session has ended ({type(error).__name__})") from error
            else:
                done(shard, outcome)


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


class _Deaths:
    """How often the worker of each shard has died without a new note of which video it was cutting."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}
        self._noted: dict[int, bytes] = {}

    def are_many(self, shard: int) -> bool:
        return self._count.get(shard, 0) >= DEATHS_TO_BE_CAREFUL

    def add(self, shard: int, task: ShardTask, error: Exception) -> None:
        trouble = trouble_file(task.note)
        note = trouble.read_bytes() if trouble.exists() else b""
        is_new = note != self._noted.get(shard, b"")
        self._noted[shard] = note
        self._count[shard] = 0 if is_new else self._count.get(shard, 0) + 1
        if self._count[shard] >= DEATHS_TO_GIVE_UP:
            raise ClusterLost(
                f"{task.tar.name}: its worker process has died {DEATHS_TO_GIVE_UP} times and not while decoding "
                f"({type(error).__name__}); look at the memory of the workers"
            ) from error


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
