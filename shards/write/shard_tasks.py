"""Give shards to workers, a few at a time, and give those again whose worker died."""

from collections.abc import Callable

from egocurate.errors import ClusterLost
from egocurate.shards.write.build_shard import ShardOutcome, ShardTask, build_shard, trouble_file
from egocurate.workers.tasks import NodeDied, WorkerDied, Workers

LOOK_SEC = 1.0  # between two looks at the cluster and the folder while no shard ends
# Of one shard, without a note of what kills them; a kill from outside seldom hits the same shard twice.
DEATHS_TO_BE_CAREFUL, DEATHS_TO_GIVE_UP = 3, 6

TaskOf = Callable[[int, bool], ShardTask]
Done = Callable[[int, ShardOutcome], None]


def run_tasks(workers: Workers, shards: list[int], task_of: TaskOf, done: Done, check: Callable[[], None]) -> None:
    """Have `shards` built; tasks come from `task_of(shard, careful)`, ends go to `done`.

    `check` is called every second or so and may raise, which ends the run. Raises ClusterLost if the workers are gone,
    and what a task raises.
    """
    waiting = shards[::-1]
    running: dict[int, ShardTask] = {}
    deaths = _Deaths()
    while waiting or running:
        while waiting and workers.has_room():
            shard = waiting.pop()
            # Tried again here: the next attempt depends on what the last one left.
            running[shard] = task_of(shard, deaths.are_many(shard))
            workers.submit(shard, build_shard, running[shard])
        ended = workers.wait(LOOK_SEC)
        check()
        for end in ended:
            shard, task = end.key, running.pop(end.key)
            if isinstance(end.error, WorkerDied):
                if not isinstance(end.error, NodeDied):
                    deaths.add(shard, task, end.error)
                # At the end of the queue: whatever goes about killing workers now will have gone by then.
                waiting.insert(0, shard)
            else:
                done(shard, end.result())


class _Deaths:
    """How often the worker of each shard has died without a new note of which video it was cutting."""

    def __init__(self) -> None:
        self._count: dict[int, int] = {}
        self._noted: dict[int, bytes] = {}

    def are_many(self, shard: int) -> bool:
        return self._count.get(shard, 0) >= DEATHS_TO_BE_CAREFUL

    def add(self, shard: int, task: ShardTask, error: WorkerDied) -> None:
        trouble = trouble_file(task.note)
        note = trouble.read_bytes() if trouble.exists() else b""
        is_new = note != self._noted.get(shard, b"")
        self._noted[shard] = note
        self._count[shard] = 0 if is_new else self._count.get(shard, 0) + 1
        if self._count[shard] >= DEATHS_TO_GIVE_UP:
            raise ClusterLost(
                f"{task.tar.name}: {error}, {DEATHS_TO_GIVE_UP} times and not while decoding; "
                "look at the memory of the workers"
            ) from error
