"""What a process of `workers.local` does: run the functions that it is sent, one after the other."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue


def serve(descriptor: int) -> None:
    """Run what comes through a connection and send back (value, error), until the other end is closed.

    Signals to a group of processes are for the one that sends the tasks: it tidies up and ends this one.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    connection, tasks = Connection(descriptor), SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
    while True:
        connection.send_bytes(_outcome(tasks.get()))


def _receive(connection: Connection, tasks: SimpleQueue[bytes]) -> None:
    """Take tasks in; ends the process, whatever it is at, when there is nobody left who wants its results."""
    while True:
        try:
            tasks.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)


def _outcome(task: bytes) -> bytes:
    """Run a pickled (function, arguments); returns the pickle of (what it returned, None) or (None, what it raised)."""
    try:
        function, arguments = pickle.loads(task)
        return pickle.dumps((function(*arguments), None))
    except Exception as error:  # whatever it is, it is for the process that sent the task
        told = traceback.format_exc()
        error.add_note(told)
        try:
            pickle.loads(data := pickle.dumps((None, error)))
        except Exception:  # an exception that cannot be sent whole goes as its words
            return pickle.dumps((None, RuntimeError(told)))
        return data
