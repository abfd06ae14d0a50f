"""What a person sees while a verb runs: bars on a terminal, plain lines elsewhere; a summary as table or JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from egocurate.progress import Report

QUIET_SEC = 2.0  # shorter stages need no bar
LINE_EVERY_SEC = 10.0  # between two lines of a stage where there is no terminal


@contextmanager
def progress(enabled: bool = True) -> Iterator[Report]:
    """Give a `report(stage, done, total)` that draws on stderr: bars with rate and time left, or log lines."""
    if not enabled:
        yield lambda stage, done, total: None
    elif sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


class _Clock:
    """When each stage began; one that starts over, as an evaluation does, begins again."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._done: dict[str, int] = {}

    def seconds(self, stage: str, done: int) -> float:
        """Return how long the stage has run when `done` is reported."""
        now = time.monotonic()
        if done < self._done.get(stage, done):
            self._began[stage] = now
        self._done[stage] = done
        return now - self._began.setdefault(stage, now)


def _lines() -> Report:
    clock, spoke = _Clock(), {}

    def report(stage: str, done: int, total: int) -> None:
        seconds = clock.seconds(stage, done)
        last = spoke.get(stage, 0.0) if seconds >= spoke.get(stage, 0.0) else 0.0
        ended = done >= total and seconds > QUIET_SEC
        if seconds - last < LINE_EVERY_SEC and not (ended and total > 1):
            return
        spoke[stage] = seconds
        print(f"{stage}: {done:,} of {total:,}, {_pace(stage, done, total, seconds)}", file=sys.stderr, flush=True)

    return report


def _pace(stage: str, done: int, total: int, seconds: float) -> str:
    """Say how fast a stage is and when it ends: in its own words if it has some."""
    note = getattr(stage, "note", "")
    if note:
        return note
    rate = done / seconds
    left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
    return f"{rate:,.1f}/s{left}"


@contextmanager
def _bars() -> Iterator[Report]:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    class LongStages(Progress):
        """Bars that show up once their stage has taken a while, though it has not reported since."""

        def get_renderables(self) -> Iterator[RenderableType]:
            for task in self.tasks:
                task.visible |= not task.finished and (task.elapsed or 0.0) > QUIET_SEC
            yield from super().get_renderables()

    bars = LongStages(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    tasks: dict[str, TaskID] = {}
    clock = _Clock()

    def report(stage: str, done: int, total: int) -> None:
        seconds = clock.seconds(stage, done)
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total, rate="", visible=False)
        rate = getattr(stage, "note", "") or (f"{done / seconds:,.1f}/s" if seconds > 0.2 else "")
        bars.update(tasks[stage], completed=done, total=total, rate=rate)

    with bars:
        yield report


def print_summary(title: str, rows: dict[str, object], as_json: bool) -> None:
    """Print a run's summary on stdout; dicts and lists are indented in the table."""
    if as_json:
        print(json.dumps(rows))
        return
    print(f"\n{title}")
    for name, value in rows.items():
        if isinstance(value, dict):
            print(f"  {name.replace('_', ' ')}")
            for inner, number in value.items():
                print(f"    {inner.replace('_', ' '):<26} {_show(number)}")
        elif isinstance(value, list):
            print(f"  {name.replace('_', ' ')}")
            for line in value:
                print(f"    {line}")
        else:
            print(f"  {name.replace('_', ' '):<28} {_show(value)}")


def _show(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
