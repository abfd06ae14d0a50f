"""Published csv files as rows of text, and what a benchmark leaves out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from egocurate.errors import InputError

NAMED = 5  # of what is missing, so many are named


def read_rows(path: Path, columns: dict[str, Sequence[str]]) -> list[dict[str, str]]:
    """Read a csv file as rows of the columns asked for; each may have one of several names in the file's header.

    Raises InputError for a file that is not there, or lacks a column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            header = table.fieldnames or []
            found = {ours: next((name for name in names if name in header), None) for ours, names in columns.items()}
            for ours, name in found.items():
                if name is None:
                    raise InputError(f"{path}: no column {ours!r} (there are {', '.join(header) or 'none'})")
            rows = [{ours: row[name] or "" for ours, name in found.items()} for row in table]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the folder with the file as published") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a csv file ({error})") from error
    if not rows:
        raise InputError(f"{path}: no rows")
    return rows


def named(what: Sequence[str]) -> str:
    """Name the first few of many."""
    more = f" and {len(what) - NAMED} more" if len(what) > NAMED else ""
    return ", ".join(what[:NAMED]) + more
