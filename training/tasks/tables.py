"""Published csv files as rows of text, and what a benchmark leaves out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from egocurate.errors import InputError

MOST_NAMED = 5  # of what is missing


def read_rows(path: Path, columns: dict[str, Sequence[str]]) -> list[dict[str, str]]:
    """Read some columns of a csv file as rows; each column may have one of several names in the file's header.

    Raises InputError for a file that is not there, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            header = table.fieldnames or []
            name_of = {ours: next((name for name in names if name in header), None) for ours, names in columns.items()}
            for ours, name in name_of.items():
                if name is None:
                    raise InputError(f"{path}: no column {ours!r} (there are {', '.join(header) or 'none'})")
            rows = [{ours: row[name] or "" for ours, name in name_of.items()} for row in table]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the folder with the file as published") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a csv file ({error})") from error
    if not rows:
        raise InputError(f"{path}: no rows")
    return rows


def named(items: Sequence[str]) -> str:
    """Return the first few of many names as a text, and how many more there are."""
    more = f" and {len(items) - MOST_NAMED} more" if len(items) > MOST_NAMED else ""
    return ", ".join(items[:MOST_NAMED]) + more
