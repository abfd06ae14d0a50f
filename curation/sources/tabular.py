"""Read a table of a data set, csv or parquet, that must have some columns."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.storage.csv_file import CsvFile, read_csv
from egocurate.storage.paths import AnyPath
from egocurate.storage.typed_parquet import is_text, read_any


def read_columns(
    path: AnyPath, needed: Sequence[str], optional: Sequence[str] = (), lists: Sequence[str] = ()
) -> pd.DataFrame:
    """Read columns of a csv (comma, semicolon or tab, also .gz) or parquet file as text, "" for what is not there.

    Headers may be in capitals; of `optional` columns those that are there are read, and of `lists`, which may be lists
    in a parquet file and are then as Python prints them, as in a csv. The index has the line of each row
    in a csv file, its number from 1 in a parquet file. Raises InputError, naming a column that lacks or holds no text.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a csv or parquet file with columns {', '.join(needed)}")
    if path.suffix == ".parquet":
        return _from_parquet(path, needed, (*optional, *lists), lists)
    # A row that ends early is as spreadsheets write it where its last cells are empty.
    table = read_csv(path, ",\t;", fill=True)
    names = _present(table.header, needed, (*optional, *lists))
    cells = list(table.select(path, names, fold=True))
    rows = [number for number, row in enumerate(table.rows) if any(row)]
    columns = {name: [cells[row][place] for row in rows] for place, name in enumerate(names)}
    return pd.DataFrame(columns, index=[table.lines[row] for row in rows], dtype=object)


def _from_parquet(path: AnyPath, needed: Sequence[str], optional: Sequence[str], lists: Sequence[str]) -> pd.DataFrame:
    table = read_any(path)
    names = _present(table.column_names, needed, optional)
    places = CsvFile(table.column_names, [], []).places(path, names, fold=True)
    columns = {
        name: _texts(path, name, table.column(place), name in lists) for name, place in zip(names, places, strict=True)
    }
    return pd.DataFrame(columns, index=range(1, len(table) + 1), dtype=object)


def _present(header: Sequence[str], needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    there = {name.strip().lower() for name in header}
    return [*needed, *(name for name in optional if name in there)]


def _texts(path: AnyPath, name: str, column: pa.ChunkedArray, may_be_list: bool) -> list[str]:
    """Return a column as a csv file would have it; a missing value is ""."""
    kind = column.type
    is_listed = may_be_list and pa.types.is_list(kind)
    if not (
        is_listed or is_text(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
    ):
        raise InputError(f"{path}: column {name!r} holds {kind}, not texts or numbers; write it as text")
    texts = ["" if value is None or value != value else str(value) for value in column.to_pylist()]
    for number, text in enumerate(texts, 1):
        if "\0" in text:
            raise InputError(f"{path}: row {number}: {name} has {text!r}, with a NUL character; write the file again")
    return texts
