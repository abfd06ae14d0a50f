"""How long work tells how far it is: what it reports, and the words for it."""

import time
from collections import deque
from collections.abc import Callable

RATE_SEC = 60.0  # a rate is that of the last minute

Report = Callable[[str, int, int], None]
"""Called as `report(stage, done, total)`; `done` falls only where a stage starts over."""


class Stage(str):
    """The name of a stage with what else there is to say of it now, in `note`; equal to the bare name."""

    __slots__ = ("note",)

    def __new__(cls, name: str, note: str = "") -> "Stage":
        """Name a stage."""
        stage = super().__new__(cls, name)
        stage.note = note
        return stage


def silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""


class StageClock:
    """How long a stage has run, and how fast; one that starts over, as an evaluation does, begins again."""

    def __init__(self) -> None:
        """Begin with the first report: what was done by then was done by an earlier run."""
        self._reports: deque[tuple[float, int]] = deque()
        self.seconds = 0.0
        """from the first report to the last"""

    def add(self, done: int) -> None:
        """Note a report."""
        now = time.monotonic()
        if self._reports and done < self._reports[-1][1]:
            self._reports.clear()
        if not self._reports:
            self._began = now
        self._reports.append((now, done))
        while len(self._reports) > 2 and now - self._reports[1][0] > RATE_SEC:
            self._reports.popleft()
        self.seconds = now - self._began

    @property
    def rate(self) -> float:
        """What was done a second of late; 0 before there are two reports."""
        (then, before), (now, done) = self._reports[0], self._reports[-1]
        return (done - before) / (now - then) if now > then else 0.0


def describe(stage: str, done: int, total: int, rate: float) -> str:
    """Say how far a stage is, how fast it goes and how long it will take, or in its own words if it has some."""
    if total == 1:  # one step: it goes on, or is over
        return getattr(stage, "note", "")
    words = [f"{done:,} of {total:,}"] if total else []
    if note := getattr(stage, "note", ""):
        words.append(note)
    elif rate:
        words.append(f"{rate:,.1f}/s")
        words += [f"{in_words((total - done) / rate)} left"] if done < total else []
    return ", ".join(words)


def fitted(words: str, room: int) -> str:
    """Return words of `describe` of at most `room` letters if leaving parts out makes them so short.

    How far a stage is stands first, the time that is left last: these two stay.
    """
    parts = words.split(", ")
    while len(parts) > 2 and len(", ".join(parts)) > room:
        del parts[(len(parts) - 1) // 2]
    return ", ".join(parts)


def in_words(seconds: float) -> str:
    """Return a time as 90 s, 12 min or 3 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
