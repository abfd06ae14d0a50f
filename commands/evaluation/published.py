"""Figures that others have published for the same benchmarks, to stand beside: theirs, on their data, by their code."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from egocurate.storage.csv_file import read_csv

TABLE = Path(__file__).parent / "published.csv"
_COLUMNS = ("model", "task", "figure", "value", "frames", "of", "source")


class Published(NamedTuple):
    """A figure of a paper or a README: of which model and benchmark, with which frames, what else it is of, where."""

    model: str
    task: str
    figure: str
    value: float
    frames: str
    of: str
    source: str

    def __str__(self) -> str:
        """Return what a table shows of it: "EgoVLP 90.6 (4 frames)"."""
        aside = ", ".join(filter(None, (self.of, self.frames and f"{self.frames} frames")))
        return f"{self.model} {self.value:.1f}" + (f" ({aside})" if aside else "")


def read_published() -> list[Published]:
    """Return all published figures, in the order of their table."""
    rows = read_csv(TABLE).select(TABLE, _COLUMNS)
    return [Published(*row[:3], float(row[3]), *row[4:]) for row in rows]
