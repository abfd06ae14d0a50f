"""Ctrl-C and SIGTERM end a command alike: it tidies up, says one line, and is gone within five seconds."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from egocurate.commands.exit_status import EXIT_INTERRUPTED, EXIT_TERMINATED
from egocurate.descendants import descendants, kill
from egocurate.errors import ProcessEnds

SIGNALS = {signal.SIGINT: ("interrupted", EXIT_INTERRUPTED), signal.SIGTERM: ("ended by SIGTERM", EXIT_TERMINATED)}
"""What ends a command, what is said of it, and the exit status."""
TIDYING_SEC = 4.0  # what has not ended by then is stuck in code that knows no signals, and is ended where it stands
ASK_SEC = 1.0  # in which other ranks answer


class Ending:
    """The end of a command by a signal: `signal` is the first that came, None if none has."""

    def __init__(self, how_to_go_on: str) -> None:
        """Keep what is to be said then."""
        self.signal: int | None = None
        self._how_to_go_on = how_to_go_on
        self._lock = threading.Lock()

    def take(self, number: int, frame: FrameType | None) -> None:
        """Raise ProcessEnds for the first signal; those that follow change nothing, as it is ending already."""
        if self.signal is not None:
            return
        self.signal = number
        # PyTorch would raise from here, amidst the tidying up, when a worker of a loader ends by the same signal.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        raise ProcessEnds

    def now(self, number: int) -> NoReturn:
        """Say the line, of many ranks on one alone, and end this process and all that it has started.

        Not by `sys.exit`: on the way out native code of Ray or PyTorch may still crash, or wait for what is gone.
        """
        with self._lock:  # of two threads that end the process one speaks
            words, status = SIGNALS[signal.Signals(number)]
            with suppress(OSError):  # nobody listens any more
                if threading.current_thread() is threading.main_thread():
                    sys.stdout.flush()  # not elsewhere: it waits for a main thread that is stuck in writing
                if "RANK" not in os.environ or _speaks_for_all_ranks():
                    os.write(sys.stderr.fileno(), f"curate: {words}; {self._how_to_go_on}\n".encode())
            kill(descendants([os.getpid()]))
            os._exit(status)


@contextmanager
def ended_by_signals(how_to_go_on: str) -> Iterator[Ending]:
    """Raise ProcessEnds for SIGINT and SIGTERM inside the block, and end the process if that leads nowhere.

    A signal that is ignored stays so, as SIGINT is in the background of a shell. In another thread than the main one
    nothing changes: only there can signals be taken.
    """
    ending = Ending(how_to_go_on)
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return
    taken = {number: old for number in SIGNALS if (old := signal.getsignal(number)) is not signal.SIG_IGN}
    told, teller = socket.socketpair()
    teller.setblocking(False)
    threading.Thread(target=_watch, args=(told, ending, set(taken)), name="signals", daemon=True).start()
    # A handler runs between two steps of Python's, but native code can go on for minutes: the thread hears at once.
    old_teller = signal.set_wakeup_fd(teller.fileno(), warn_on_full_buffer=False)
    for number in taken:
        signal.signal(number, ending.take)
    try:
        yield ending
    finally:
        for number, old in taken.items():
            signal.signal(number, old)
        signal.set_wakeup_fd(old_teller)
        teller.close()


def _speaks_for_all_ranks() -> bool:
    """Tell whether this rank says why all of them end: not if torchrun ends it because another has said so.

    Where the ranks cannot be asked in time it is the first one.
    """
    answers: list[bool] = []
    if "torch" in sys.modules:
        from egocurate.training.run.errors import first_to_speak

        asking = threading.Thread(target=lambda: answers.append(first_to_speak()), daemon=True)
        asking.start()
        asking.join(ASK_SEC)
    return answers[0] if answers else os.environ["RANK"] == "0"


def _watch(told: socket.socket, ending: Ending, numbers: set[int]) -> None:
    """Give the main thread its time to tidy up after a signal, then end the process; in a thread."""
    with told:
        while numbers_now := told.recv(64):
            for number in numbers_now:
                if number in numbers:
                    time.sleep(TIDYING_SEC)
                    ending.now(number)


def _forget() -> None:
    """Leave signals to the system in a process that was forked: it is a worker, which its parent ends."""
    for number in SIGNALS:
        if isinstance(getattr(signal.getsignal(number), "__self__", None), Ending):
            signal.set_wakeup_fd(-1)
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget)
