"""What a person sees of a run: its pace, lines, metrics.csv and TensorBoard."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from torch.utils.tensorboard import SummaryWriter


class Pace:
    """Clips per second and the share of time spent waiting for data; what is spent aside does not count."""

    def __init__(self, clips_per_step: int) -> None:
        """Start the clock."""
        self.clips_per_step, self.steps, self.spent = clips_per_step, 0, {"waiting": 0.0, "aside": 0.0}
        self._started, self._mark = time.perf_counter(), (0, 0.0, 0.0)

    @contextmanager
    def spend(self, on: Literal["waiting", "aside"]) -> Iterator[None]:
        """Count the time of a block."""
        began = time.perf_counter()
        yield
        self.spent[on] += time.perf_counter() - began

    def lap(self) -> dict[str, float]:
        """Return clips_per_sec and data_wait (0..1) since the last lap."""
        now = (self.steps, self._seconds(), self.spent["waiting"])
        steps, seconds, waiting = (new - old for new, old in zip(now, self._mark, strict=True))
        self._mark = now
        return {"clips_per_sec": steps * self.clips_per_step / seconds, "data_wait": waiting / seconds}

    def clips_per_sec(self) -> float:
        """Return the mean over all steps."""
        return self.steps * self.clips_per_step / self._seconds()

    def _seconds(self) -> float:
        return time.perf_counter() - self._started - self.spent["aside"]


class Log:
    """Lines for people, metrics.csv and TensorBoard; rows beyond the step that a run goes on from are dropped."""

    COLUMNS = ("step", "loss", "lr", "clips_per_sec", "data_wait", "mcq_inter", "mcq_intra")

    def __init__(self, out: Path, step: int, say: Callable[[str], None]) -> None:
        """Open the files of a run that goes on from a step; -1 is a new one."""
        path, kept = out / "metrics.csv", []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
        self.say, self._file = say, path.open("w", newline="")
        self._table = csv.DictWriter(self._file, self.COLUMNS, extrasaction="ignore")
        self._table.writeheader()
        self._table.writerows(kept)
        self._board = SummaryWriter(out / "tensorboard", purge_step=step + 1)

    def progress(self, step: int, total: int, row: dict[str, float]) -> None:
        """Note a row of losses, lr, clips_per_sec, data_wait."""
        self._row(step, row)
        line = "step {}/{}  loss {loss:.4f}  lr {lr:.2e}  {clips_per_sec:.0f} clips/s  data wait {data_wait:.0%}"
        self.say(line.format(step, total, **row))

    def answers(self, step: int, accuracy: dict[str, float]) -> None:
        """Note EgoMCQ accuracy by type, if there are questions."""
        if accuracy:
            self._row(step, {f"mcq_{name}": value for name, value in accuracy.items()})
            self.say(f"step {step}  EgoMCQ " + ", ".join(f"{name} {value:.1f} %" for name, value in accuracy.items()))

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._board.close()

    def _row(self, step: int, row: dict[str, float]) -> None:
        self._table.writerow({"step": step, **row})
        self._file.flush()
        for name, value in row.items():
            self._board.add_scalar(name, value, step)
