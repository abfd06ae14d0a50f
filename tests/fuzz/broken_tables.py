"""Ways to break a table in a file: csv text with odd cells and bytes, and parquet columns of other types and values."""

import csv
import io
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.broken import broken_bytes, broken_rows

CSV_TOKENS = (
    b'"',
    b",",
    b"\t",
    b";",
    b"\n",
    b"\r",
    b"\x00",
    b"\xff",
    b"\xef\xbb\xbf",
    b"[" * 3000,
    b"'",
    b"]",
    b"e9",
    b"-",
)
"""What a csv file trips over."""

ODD_CELLS = (None, "", "x", "a\0b", "../../x", "-1", -1, 0, 2**31, 2**62, 0.5, -0.0, 1e300, float("nan"), float("inf"))
ODD_TYPES = (pa.string(), pa.large_string(), pa.binary(), pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float32())
ODD_TYPES += (pa.float64(), pa.bool_(), pa.null(), pa.date32(), pa.timestamp("us"), pa.list_(pa.string()))
ODD_TYPES += (pa.list_(pa.int32()), pa.list_(pa.int64()), pa.large_list(pa.int32()), pa.list_(pa.float64()))
ODD_TYPES += (pa.struct([("a", pa.int32())]), pa.dictionary(pa.int32(), pa.string()))


def csv_bytes(rows: list[list[str]], delimiter: str = ",") -> bytes:
    """Return rows, the header among them, as a csv file."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def broken_csv(rng: Random, rows: list[list[str]], delimiter: str = ",") -> bytes:
    """Return a csv file of broken rows, or broken bytes of a whole one."""
    if rng.random() < 0.6:
        return csv_bytes(broken_rows(rng, rows), delimiter)
    return broken_bytes(rng, csv_bytes(rows, delimiter), CSV_TOKENS)


def parquet_bytes(table: pa.Table, **options: object) -> bytes:
    """Return a table as a parquet file."""
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def read_back(data: bytes) -> pa.Table:
    """Return what Arrow reads out of a parquet file; raises what it raises."""
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        return file.read()


def broken_table(rng: Random, table: pa.Table) -> pa.Table:
    """Return a table with one to three columns or cells changed: other types and values, columns and rows gone."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if not table.column_names or not len(table):
            break
        at = rng.randrange(table.num_columns)
        name, column = table.field(at).name, table.column(at)
        match rng.randrange(8):
            case 0:
                table = table.remove_column(at)
            case 1:
                table = table.rename_columns(
                    [rng.choice((n, "x", name)) if n == name else n for n in table.column_names]
                )
            case 2:
                table = table.append_column(name, column)
            case 3:
                rows = [rng.randrange(len(table)) for _ in range(rng.choice((0, 1, len(table), len(table) + 1)))]
                table = table.take(pa.array(rows, pa.int64()))
            case 4:
                table = _set(table, at, _as_type(column, rng.choice(ODD_TYPES)))
            case _:
                table = _set(table, at, _with_odd_cell(rng, column))
    return table


def _set(table: pa.Table, at: int, column: Any) -> pa.Table:
    return table if column is None else table.set_column(at, table.field(at).name, column)


def _as_type(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | pa.Array | None:
    try:
        return column.cast(kind, safe=False)
    except (pa.ArrowException, TypeError):
        return pa.array([None] * len(column), kind)


def _with_odd_cell(rng: Random, column: pa.ChunkedArray) -> pa.Array | None:
    """Put an odd value, or that of another row, into a row; None where the type does not take it."""
    row = rng.randrange(len(column))
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:  # broken already
        return None
    odd = rng.choice((*ODD_CELLS, rng.choice(values)))
    if pa.types.is_list(column.type) and rng.random() < 0.8:
        odd = [*(values[row] or ()), odd] if rng.random() < 0.5 else [odd]
    if isinstance(odd, str) and rng.random() < 0.1:
        return _with_bad_utf8(column, row)
    if isinstance(values[row], float) and isinstance(odd, int | float):
        odd = rng.choice((odd, values[row] + 1000.0, -values[row]))
    values[row] = odd
    try:
        return pa.array(values, column.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _with_bad_utf8(column: pa.ChunkedArray, row: int) -> pa.Array | None:
    if column.type != pa.string():
        return None
    raw = [b"\xff\xfe" if at == row else (value or "").encode() for at, value in enumerate(column.to_pylist())]
    return pa.Array.from_buffers(pa.string(), len(raw), pa.array(raw, pa.binary()).buffers())


def same_values(one: Any, other: Any) -> bool:
    """Tell whether two JSON-like values are equal to the type and the last bit, NaN equal to itself."""
    if isinstance(one, float) and isinstance(other, float):
        return np.float64(one).tobytes() == np.float64(other).tobytes() or (one != one and other != other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same_values(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same_values, one, other))
    return one == other
