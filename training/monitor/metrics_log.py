"""What people see of a run: the lines that it says, metrics.csv, TensorBoard and curves.png."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from egocurate.storage.atomic import write_text
from egocurate.training.monitor.curves import draw_curves
from egocurate.training.monitor.read_metrics import read_metrics

FIRST, LAST = ("step", "loss"), ("lr", "clips_per_sec", "data_wait", "mfu", "mcq_inter", "mcq_intra")
"""columns of every metrics.csv; the parts of the loss stand between them"""


class MetricsTable:
    """metrics.csv: a row for each line of progress and each evaluation; a cell that has no value is empty."""

    def __init__(self, path: Path, step: int) -> None:
        """Open the table of a run that goes on from a step: rows beyond it are dropped; -1 is a new run."""
        self.path, self.columns, rows = path, (*FIRST, *LAST), []
        if path.exists() and step >= 0:
            self.columns, written = read_metrics(path, (*FIRST, *LAST))
            rows = [row for row in written if int(row["step"]) <= step]
        self._write(rows)

    def add(self, row: dict[str, float]) -> None:
        """Write a row; the first one with parts of the loss gives them their columns."""
        new = tuple(name for name in row if name not in self.columns)
        if new:
            self._file.close()
            written = read_metrics(self.path).rows
            place = self.columns.index(LAST[0])
            self.columns = (*self.columns[:place], *new, *self.columns[place:])
            self._write(written)
        self._rows.writerow(row)
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, rows: list[dict[str, str]]) -> None:
        text = io.StringIO(newline="")
        table = csv.DictWriter(text, self.columns, restval="")
        table.writeheader()
        table.writerows(rows)
        write_text(self.path, text.getvalue())
        self._file = self.path.open("a", newline="")
        self._rows = csv.DictWriter(self._file, self.columns, restval="")


class MetricsLog:
    """What rank 0 says and writes of a run, under the folder OUT."""

    def __init__(self, out: Path, step: int, say: Callable[[str], None]) -> None:
        """Open the files of a run that goes on from a step; -1 is a new one."""
        self.out, self.say = out, say
        self.baselines: dict[str, float] = {}
        """losses that stand beside the loss on each line, of guesses that look at no clip"""
        self._table = MetricsTable(out / "metrics.csv", step)
        self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1)

    def progress(self, step: int, total: int, row: dict[str, float], seconds_to_go: float | None) -> None:
        """Write the losses, "loss" and its parts, lr, clips_per_sec, data_wait and mfu."""
        self._write(step, row)
        self.say(progress_line(step, total, row, seconds_to_go, self.baselines))

    def figures(self, step: int, title: str, prefix: str, figures: dict[str, float]) -> None:
        """Write the figures of a benchmark, if there are some, and draw how the run went so far.

        title, prefix: the benchmark's (`tasks.evaluator.Evaluator`).
        """
        if figures:
            self._write(step, {f"{prefix}_{name}": value for name, value in figures.items()})
            self.say(f"step {step}  {title} " + ", ".join(figure_text(name, value) for name, value in figures.items()))
        draw_curves(self._table.path, self.out / "curves.png")

    def close(self) -> None:
        """Close the files."""
        self._table.close()
        self._board.close()

    def _write(self, step: int, row: dict[str, float]) -> None:
        self._table.add({"step": step, **row})
        for name, value in row.items():
            self._board.add_scalar(name, value, step)


def progress_line(
    step: int, total: int, row: dict[str, float], seconds_to_go: float | None, baselines: dict[str, float] | None = None
) -> str:
    """Return a row of progress as a line to read, with losses to compare it with."""
    beside = {name: value for name, value in row.items() if name not in FIRST + LAST} | (baselines or {})
    parts = ", ".join(f"{name} {value:.4f}" for name, value in beside.items())
    words = [f"step {step}/{total}", f"loss {row['loss']:.4f}" + (f" ({parts})" if parts else "")]
    words += [f"lr {row['lr']:.2e}", f"{row['clips_per_sec']:,.0f} clips/s", f"data wait {row['data_wait']:.0%}"]
    words += [f"MFU {row['mfu']:.0%}"] if "mfu" in row else []
    words += [f"{clock(seconds_to_go)} left"] if seconds_to_go and step < total else []
    return "  ".join(words)


def figure_text(name: str, value: float) -> str:
    """Return a figure to read: in percent, but in seconds where its name says so."""
    return f"{name.removesuffix('_sec')} {value:.3f} s" if name.endswith("_sec") else f"{name} {value:.1f} %"


def clock(seconds: float) -> str:
    """Return a time as 0:07, 2:31:05 or 3 d 4 h."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
