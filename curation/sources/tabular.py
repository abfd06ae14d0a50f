"""Read a table of a data set, csv or parquet, that must have some columns."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, read_bytes


def read_columns(path: AnyPath, needed: Sequence[str]) -> pd.DataFrame:
    """Read a csv (comma or tab, also .gz) as text, or a parquet file; raises InputError, naming a column that lacks."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a csv or parquet file with columns {', '.join(needed)}")
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path).to_pandas()
        else:
            table = pd.read_csv(
                io.BytesIO(read_bytes(path)),
                sep=_separator(path),
                dtype=str,
                keep_default_na=False,
                encoding="utf-8-sig",
                compression="gzip" if path.suffix == ".gz" else None,
            )
    except (ValueError, OSError, EOFError, csv.Error, zlib.error, pa.ArrowException) as error:
        first_line = str(error).partition("\n")[0]
        raise InputError(f"{path}: not a readable csv or parquet file ({first_line}); write it again") from error
    table.columns = [str(name).strip() for name in table.columns]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        have = ", ".join(table.columns[:12]) or "none"
        raise InputError(f"{path}: column {missing[0]!r} is missing (there are {have}); name a column so")
    return table


def _separator(path: AnyPath) -> str:
    if path.suffix == ".gz":
        return ","
    with path.open("rb") as file:
        header = file.readline()
    return "\t" if header.count(b"\t") > header.count(b",") else ","
