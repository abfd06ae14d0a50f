"""Read metrics.csv, the figures of a run by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from egocurate.errors import InputError
from egocurate.storage.csv_file import read_csv

_NOT_FINITE = ("nan", "inf", "-inf")


class Metrics(NamedTuple):
    """The columns, and the rows by column; a cell without a value is ""."""

    columns: tuple[str, ...]
    rows: list[dict[str, str]]


def read_metrics(path: Path, needed: Sequence[str] = ("step",)) -> Metrics:
    """Read the table; raises InputError, naming the line, for a cell that is no number and a row without a step."""
    table = read_csv(path)
    place, *_ = table.places(path, (*needed, *table.header))
    for line, cells in zip(table.lines, table.rows, strict=True):
        if not (cells[place].isascii() and cells[place].isdecimal()):
            raise InputError(f"{path}: line {line}: step has {cells[place]!r}, no whole number; delete that line")
        for name, cell in zip(table.header, cells, strict=True):
            if cell and not _is_number(cell):
                raise InputError(f"{path}: line {line}: {name} has {cell!r}, no number; delete that line")
    return Metrics(tuple(table.header), [dict(zip(table.header, cells, strict=True)) for cells in table.rows])


def _is_number(text: str) -> bool:
    """Tell whether Python printed a float so; a part of a loss may be nan."""
    try:
        return math.isfinite(float(text)) == (text not in _NOT_FINITE) and text.isascii() and "_" not in text
    except ValueError:
        return False
