"""Workers that are plain processes of this machine: there in a moment, and none takes another along when it dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from egocurate.workers.tasks import Ended, WorkerDied

# Not by `multiprocessing`, whose processes import the program that was started: a script that cuts clips when it is run
# would do so again in each of them.
_PROGRAM = "import sys; sys.path[:] = {path!r}; from egocurate.workers.process import serve; serve({descriptor})"
_ONE_CORE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class LocalWorkers:
    """So many processes, each with one task at a time; they end with the `with`, whatever they are at."""

    def __init__(self, processes: int) -> None:
        """Start them."""
        self._most = processes
        self._idle = [_Process() for _ in range(processes)]
        self._busy: dict[Connection, tuple[Hashable, _Process]] = {}

    def has_room(self) -> bool:
        """Tell whether a process has nothing to do."""
        return len(self._busy) < self._most

    def submit(self, key: Hashable, function: Callable, *arguments: object) -> None:
        """Run a function of a module in a process that has nothing to do."""
        process = self._idle.pop() if self._idle else _Process()
        self._busy[process.connection] = key, process
        with suppress(BrokenPipeError, ConnectionResetError):  # killed while it was idle, as `wait` finds
            process.connection.send((function, arguments))

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tasks that have ended, waiting for the first so long."""
        ended = []
        for connection in wait(list(self._busy), seconds):
            key, process = self._busy.pop(connection)
            try:
                value, error = connection.recv()
            except (EOFError, OSError):
                ended.append(Ended(key, error=WorkerDied(f"a worker process has died ({process.end()})")))
            else:
                self._idle.append(process)
                ended.append(Ended(key, value, error))
        return ended

    def __enter__(self) -> LocalWorkers:
        """Nothing is left to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill the processes and wait until they are gone."""
        for process in [*self._idle, *(process for _, process in self._busy.values())]:
            process.end()


class _Process:
    """A process that runs the functions that come through its connection (`workers.process`)."""

    def __init__(self) -> None:
        self.connection, theirs = Pipe()
        with theirs:
            program = _PROGRAM.format(path=sys.path, descriptor=theirs.fileno())
            self._process = subprocess.Popen(
                [sys.executable, "-c", program],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # scripts read a summary there
                env=_ONE_CORE | os.environ,
            )

    def end(self) -> str:
        """Kill it if it lives, and say how it ended."""
        self._process.kill()
        self.connection.close()
        code = self._process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"
