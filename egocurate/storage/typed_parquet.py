"""Read a parquet file as what it is, a stranger's: the columns of a schema, in exactly its types, or it is refused."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.compute as pc

from egocurate.errors import InputError
from egocurate.storage.mapped_table import mapped_table
from egocurate.storage.parquet import parquet_file, pieces_of, read_parquet
from egocurate.storage.paths import AnyPath, is_remote

MAPPED_FROM = 500_000
"""Rows of a table that is not read into memory but mapped: its texts and lists may be gigabytes."""


def read_typed(
    path: AnyPath, schema: pa.Schema, optional: Collection[str] = (), nullable: Collection[str] = ()
) -> pa.Table:
    """Return the columns of a schema, without those of `optional` that are not there.

    A type that holds no more than that of the schema becomes it: shorter numbers, strings and lists of another layout.
    Numbers are not read out of texts. A table of millions of rows is mapped from a copy (`mapped_table`). Raises
    InputError for a file that cannot be read, a column that is missing, there twice or of another type, a value that is
    missing (but in `nullable`), and a text that is not UTF-8.
    """
    if is_remote(path) or _rows(path) < MAPPED_FROM:
        return _typed(path, read_any(path, schema.names), schema, optional, nullable)

    def pieces() -> Iterator[pa.Table]:
        for piece in _valid_pieces(path, schema.names):
            yield _typed(path, piece, schema, optional, nullable)

    return mapped_table(pieces)


def _typed(
    path: AnyPath, table: pa.Table, schema: pa.Schema, optional: Collection[str], nullable: Collection[str]
) -> pa.Table:
    """Return a table, or a piece of one, in the types of the schema; raises InputError as `read_typed`."""
    fields = [field for field in schema if field.name in table.column_names or field.name not in optional]
    missing = [field.name for field in fields if field.name not in table.column_names]
    if missing:
        raise InputError(
            f"{path}: columns {', '.join(missing)} are missing; page Formats of the documentation lists all"
        )
    for field in fields:
        _check_column(path, table, field, field.name in nullable)
    try:
        return table.select([field.name for field in fields]).cast(pa.schema(fields, table.schema.metadata))
    except pa.ArrowInvalid as error:  # a number that is too large for its column
        raise InputError(f"{path}: a value does not fit its column ({error}); write the file again") from error


def read_any(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """Return (some columns of) a parquet file's table, whatever they hold; InputError for one that cannot be read."""
    with _named(path):
        return _valid(read_parquet(path, columns))


def _rows(path: AnyPath) -> int:
    with _named(path), parquet_file(path) as file:
        return file.metadata.num_rows


def _valid_pieces(path: AnyPath, columns: list[str]) -> Iterator[pa.Table]:
    with _named(path):
        file = parquet_file(path)
    with file:
        pieces = pieces_of(file, columns)
        while True:
            with _named(path):
                piece = next(pieces, None)
                if piece is None:
                    return
                _valid(piece)
            yield piece


def _valid(table: pa.Table) -> pa.Table:
    table.validate(full=True)  # Arrow reads texts that are not UTF-8, and fails where they are looked at
    return table


@contextmanager
def _named(path: AnyPath) -> Iterator[None]:
    """Name the file in an InputError for whatever cannot be read of it."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise
        raise InputError(f"{path}: not a readable parquet file ({error}); write it again") from error


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a type is of texts, in whatever layout."""
    if pa.types.is_dictionary(kind):
        return is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _check_column(path: AnyPath, table: pa.Table, field: pa.Field, may_lack: bool) -> None:
    if table.column_names.count(field.name) > 1:
        raise InputError(f"{path}: several columns are called {field.name!r}; leave one of them")
    column = table[field.name]
    if not _holds(field.type, column.type):
        raise InputError(f"{path}: column {field.name!r} holds {column.type}, not {field.type}; write the file again")
    empty = column.null_count
    if pa.types.is_list(field.type) and not empty:
        empty = sum(pc.list_flatten(chunk).null_count for chunk in column.chunks)
    if empty and not may_lack:
        raise InputError(f"{path}: column {field.name!r} lacks {empty:,} values; every row needs one")


def _holds(wanted: pa.DataType, kind: pa.DataType) -> bool:
    """Tell whether a column of `kind` can become one of the type that is wanted without a change of its values."""
    if pa.types.is_list(wanted):
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
        return is_list and (_holds(wanted.value_type, kind.value_type) or pa.types.is_null(kind.value_type))
    if pa.types.is_string(wanted):
        return is_text(kind)
    if pa.types.is_integer(wanted):
        return pa.types.is_integer(kind)
    return pa.types.is_floating(kind) if pa.types.is_floating(wanted) else kind == wanted
