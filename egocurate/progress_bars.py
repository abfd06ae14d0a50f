"""Bars of the stages of a run, for a terminal; a module of its own, as rich takes a while to import."""

import sys
from collections import defaultdict
from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from egocurate.progress import StageClock, describe, fitted

BAR_FROM_COLUMNS, BAR_COLUMNS = 100, 20  # a narrower terminal has room for the words only


class StageBars(Progress):
    """A line for each stage: its name, a bar, how far it is, how fast, and the one time that is left."""

    def __init__(self, console: Console, *, quiet_sec: float = 0.0, one_line: bool = False) -> None:
        """Show stages that take longer than `quiet_sec`; with `one_line` only that under way, and none at the end."""
        self._screen, self._quiet_sec, self._one_line = console, quiet_sec, one_line
        self._stages: dict[str, TaskID] = {}
        self._clocks: defaultdict[str, StageClock] = defaultdict(StageClock)
        columns = [TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True))]
        if console.width >= BAR_FROM_COLUMNS:
            columns.append(BarColumn(BAR_COLUMNS, table_column=Column(no_wrap=True)))
        columns.append(TextColumn("{task.fields[words]}", markup=False, table_column=Column()))
        # What is printed meanwhile is put above the bars, but never into them instead of into a file.
        redirected = console.is_terminal and sys.stdout.isatty()
        super().__init__(*columns, console=console, transient=one_line, redirect_stdout=redirected)

    def report(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage, as `progress.Report` says."""
        clock = self._clocks[stage]
        clock.add(done)
        if stage not in self._stages:
            self._stages[stage] = self.add_task(stage, total=total or None, visible=False, words="")
        task = self._stages[stage]
        if done < self.tasks[task].completed:
            self.reset(task, total=total or None)
        self.update(task, completed=done, total=total or None, words=describe(stage, done, total, clock.rate))
        if self._one_line:
            for other, number in self._stages.items():
                self.update(number, visible=other == stage)

    def get_renderables(self) -> Iterator[RenderableType]:
        """Draw the lines; a stage gets one once it has taken a while, though it has not reported since."""
        if not self._one_line:
            for task in self.tasks:
                task.visible |= not task.finished and (task.elapsed or 0.0) > self._quiet_sec
        shown = [task for task in self.tasks if task.visible]
        bar = BAR_COLUMNS + 1 if self._screen.width >= BAR_FROM_COLUMNS else 0
        room = self._screen.width - bar - 1 - max((len(task.description) for task in shown), default=0)
        for task in shown:
            task.fields["words"] = fitted(task.fields["words"], room)
        yield from super().get_renderables()
