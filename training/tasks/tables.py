"""Published csv files as rows of text, and what a benchmark leaves out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egocurate.errors import InputError
from egocurate.storage.csv_file import read_csv

MOST_NAMED = 5  # of what is missing


def read_rows(path: Path, columns: dict[str, Sequence[str]]) -> list[dict[str, str]]:
    """Read some columns of a csv file as rows; each column may have one of several names in the file's header.

    Raises InputError for a file that is not there, or lacks a column.
    """
    try:
        table = read_csv(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the folder with the file as published") from error
    name_of = {ours: next((name for name in names if name in table.header), ours) for ours, names in columns.items()}
    rows = [dict(zip(name_of, cells, strict=True)) for cells in table.select(path, list(name_of.values()))]
    if not rows:
        raise InputError(f"{path}: no rows")
    return rows


def named(items: Sequence[str]) -> str:
    """Return the first few of many names as a text, and how many more there are."""
    more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return ", ".join(items[:MOST_NAMED]) + more
