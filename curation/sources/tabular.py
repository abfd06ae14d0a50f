"""Read a table of a data set, csv or parquet, that must have some columns."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes


def read_columns(path: AnyPath, needed: Sequence[str]) -> pd.DataFrame:
    """Read a csv (comma, semicolon or tab, also .gz) as text, or a parquet file; headers may be in capitals.

    The index has the line of each row in a csv file, its number from 1 in a parquet file. Raises InputError, naming a
    column that lacks.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a csv or parquet file with columns {', '.join(needed)}")
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (ValueError, OSError, EOFError, csv.Error, zlib.error, pa.ArrowException) as error:
        if isinstance(error, PermissionError):
            raise
        first_line = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable csv or parquet file ({first_line}); write it again") from error
    have = ", ".join(map(str, table.columns[:12])) or "none"
    table.columns = [str(name).strip().lower() for name in table.columns]
    for name in needed:
        count = list(table.columns).count(name)
        if count == 0:
            raise InputError(f"{path}: column {name!r} is missing (there are {have}); name a column so")
        if count > 1:
            raise InputError(f"{path}: {count} columns are called {name!r} (there are {have}); leave one of them")
    return table


def _read_parquet(path: AnyPath) -> pd.DataFrame:
    table = read_parquet(path).to_pandas()
    return table.set_index(np.arange(1, len(table) + 1))


def _read_csv(path: AnyPath) -> pd.DataFrame:
    data = read_bytes(path, TABLE_BYTES)
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    # Blank lines are read and then dropped: they count where a line is named.
    table = pd.read_csv(
        io.BytesIO(data),
        sep=_separator(data),
        dtype=str,
        keep_default_na=False,
        encoding="utf-8-sig",
        skip_blank_lines=False,
    )
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("line 2 has more fields than the header; put a text that holds a separator in quotes")
    table.index += 2  # below the header, from 1
    return table[(table.fillna("") != "").any(axis=1)]


def _separator(data: bytes) -> str:
    header = data.partition(b"\n")[0]
    return max((",", "\t", ";"), key=lambda separator: header.count(separator.encode()))
