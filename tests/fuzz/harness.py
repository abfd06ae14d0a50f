"""Broken inputs by the thousand: what a reader does with each, counted.

A `Target` is a reader with whole inputs and a way to break them. The rule for every broken input: the reader refuses it
with an InputError of one line, or returns what that input truly says. Anything else is a finding: a traceback, a hang,
a crash of the process, or silently other data. The inputs follow from the seed alone, so a finding can be seen again:
`target.input(n)` is the n-th.
"""

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from queue import Empty
from random import Random
from typing import Any

from egocurate.errors import InputError

LONGEST_LINE = 1000
FINDINGS = ("tracebacks", "hangs", "crashes", "silent")


class Hang(BaseException):
    """A reader did not come back in time; no `except Exception` of the reader may swallow it."""


@dataclass(frozen=True)
class Target:
    """A reader under test; see `fuzz_isolated` for readers that may crash.

    `read` gets the broken input, `right` the broken input and what `read` returned.
    """

    name: str
    whole: Sequence[Any]
    broken: Callable[[Random, Any], Any]
    read: Callable[[Any], object]
    right: Callable[[Any, Any], bool]
    hang_sec: float = 20.0

    def input(self, number: int) -> object:
        """Return the broken input of this number."""
        rng = Random(f"{self.name} {number}")
        return self.broken(rng, rng.choice(self.whole))


@dataclass
class Tally:
    """What became of the inputs of one target; `examples` says of each kind of finding the first numbers and why."""

    name: str
    tried: int = 0
    right: int = 0
    refused: int = 0
    tracebacks: int = 0
    hangs: int = 0
    crashes: int = 0
    silent: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, kind: str, number: int, why: str = "") -> None:
        """Count one input."""
        self.tried += 1
        setattr(self, kind, getattr(self, kind) + 1)
        if kind in FINDINGS and len(self.examples) < 10:
            self.examples.append(f"{kind} at input {number}: {why[:500]}")

    def merge(self, other: "Tally") -> None:
        """Add what another tally of the same target counted."""
        for each in fields(self)[1:]:
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    @property
    def findings(self) -> int:
        """Inputs that were neither refused in one line nor read rightly."""
        return sum(getattr(self, kind) for kind in FINDINGS)


def fuzz(target: Target, inputs: int) -> Tally:
    """Read the first `inputs` broken inputs in this process."""
    tally = Tally(target.name)
    for number in range(inputs):
        tally.add(*_one(target, number))
    return tally


def _one(target: Target, number: int) -> tuple[str, int, str]:
    given = target.input(number)
    try:
        with _alarm(target.hang_sec):
            result = target.read(given)
            is_right, why = _judged(target, given, result)
        return ("right", number, "") if is_right else ("silent", number, why)
    except InputError as error:
        said = str(error)
        if "\n" in said or not said or len(said) > LONGEST_LINE:
            return "tracebacks", number, f"not one line: {said!r}"
        return "refused", number, ""
    except Hang:
        return "hangs", number, ""
    except MemoryError:
        return "crashes", number, "out of memory"
    except Exception as error:
        return "tracebacks", number, f"{type(error).__name__}: {error}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return "crashes", number, f"{type(error).__name__}: {error}"  # a library's own way of dying


def _judged(target: Target, given: object, result: object) -> tuple[bool, str]:
    """Tell whether a result is right; where nothing can be read by the judge, nothing should have been read."""
    try:
        return target.right(given, result), repr(result)
    except Exception as error:
        return False, f"{result!r}, yet {type(error).__name__}: {error}"


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise Hang inside the block after so many seconds, in the main thread."""

    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def fuzz_isolated(target: Callable[[], Target], inputs: int, memory_gb: float | None = None) -> Tally:
    """Read the inputs in a child process that may die or stand still in C code; the next input gets a new child.

    `target` makes the target: a function at the top of a module, called in the child.
    """
    made = target()
    total, at = Tally(made.name), 0
    context = multiprocessing.get_context("spawn")
    while at < inputs:
        done = context.Queue()
        child = context.Process(target=_child, args=(target, at, inputs, memory_gb, done), daemon=True)
        child.start()
        while at < inputs:
            answer = _answer(done, child, 2 * made.hang_sec + 60)
            if answer is None:
                hung = child.is_alive()
                child.kill()
                child.join()
                total.add("hangs" if hung else "crashes", at, f"exit status {child.exitcode}")
                at += 1
                break
            total.add(*answer)
            at += 1
        child.join()
    return total


def _answer(done: Any, child: Any, patience_sec: float) -> tuple[str, int, str] | None:
    """Return what the child says of the next input; None if it has died, or says nothing for so long."""
    for _ in range(round(patience_sec)):
        alive = child.is_alive()
        try:
            return done.get(timeout=1.0)
        except Empty:
            if not alive:
                return None
    return None


def _child(make: Callable[[], Target], start: int, end: int, memory_gb: float | None, done: Any) -> None:
    if memory_gb:
        limit = int(memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    target = make()
    for number in range(start, end):
        done.put(_one(target, number))
    done.close()
    done.join_thread()


def table(tallies: Sequence[Tally]) -> str:
    """Return the tallies as a Markdown table with their sum."""
    total = Tally("all")
    for tally in tallies:
        total.merge(tally)
    head = ["reader", "inputs", "right", "refused", "tracebacks", "hangs", "crashes", "silently other"]
    rows = [
        [t.name, t.tried, t.right, t.refused, t.tracebacks, t.hangs, t.crashes, t.silent] for t in [*tallies, total]
    ]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(
        "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in row) + " |" for row in lines
    )
