"""Where a run's words go: on a terminal above one line that is rewritten, elsewhere as plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from egocurate.progress import Report

Say = Callable[[str], None]


@contextmanager
def screen() -> Iterator[tuple[Say, Report]]:
    """Give `say(line)`, whose lines stay, and `report(stage, done, total)`, whose last word is all that shows."""
    if not sys.stdout.isatty():
        yield (lambda line: print(line, flush=True)), (lambda stage, done, total: None)
        return
    console = Console()
    # The rate is of the last minute: a stage that comes back, as EgoMCQ does, begins again.
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("<"), TimeRemainingColumn(elapsed_when_finished=False))
    bar = Progress(*columns, *times, console=console, transient=True, speed_estimate_period=60)
    tasks = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bar.add_task(stage, total=total, completed=done)
        # Only the stage under way has a line; one that starts over does so from a new clock.
        for name, task in tasks.items():
            bar.update(task, visible=name == stage)
        if done < bar.tasks[tasks[stage]].completed:
            bar.reset(tasks[stage], total=total)
        bar.update(tasks[stage], completed=done, total=total)

    with bar:
        yield (lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True)), report
