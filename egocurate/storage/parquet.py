"""Write parquet tables with checksums, and read them wherever they are."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.storage.paths import TABLE_BYTES, AnyPath, is_remote, read_bytes
from egocurate.storage.remote_file import open_file

PIECE_ROWS = 65_536
GROUP_ROWS = 131_072
"""Rows of a row group where a table is written piece by piece."""


def parquet_file(path: AnyPath) -> pq.ParquetFile:
    """Open a parquet file; one in a store is fetched at once, since its columns would be thousands of requests."""
    source = pa.BufferReader(read_bytes(path, TABLE_BYTES)) if is_remote(path) else path
    return pq.ParquetFile(source, page_checksum_verification=True)


def table_pieces(path: AnyPath, columns: list[str]) -> Iterator[pa.Table]:
    """Yield some columns of a parquet file, PIECE_ROWS rows at a time; of one in a store these alone are fetched."""
    with open_file(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
        yield from pieces_of(file, columns)


def pieces_of(file: pq.ParquetFile, columns: list[str]) -> Iterator[pa.Table]:
    """Yield some columns of an open parquet file, PIECE_ROWS rows at a time."""
    for batch in file.iter_batches(PIECE_ROWS, columns=columns):
        yield pa.Table.from_batches([batch])


def read_parquet(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """Return (some columns of) a parquet file's table; of one in a store only these columns are fetched."""
    # Not pq.read_table: it imports Arrow's datasets and pandas, 0.1 s and 50 MB in each training process.
    if columns is None or not is_remote(path):
        with parquet_file(path) as file:
            return file.read(columns)
    with open_file(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
        return file.read(columns)


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """Write a table so that values which change on the way are found when it is read."""
    pq.write_table(table, file, write_page_checksum=True)


def row_groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of a table's pieces GROUP_ROWS at a time, each group's columns of one chunk.

    So what is written does not tell how the pieces were cut. A table without rows is one group without any.
    """
    waiting: list[pa.Table] = []
    count, has_any = 0, False
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        while count >= GROUP_ROWS:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, GROUP_ROWS).combine_chunks()
            waiting, count, has_any = [whole.slice(GROUP_ROWS)], count - GROUP_ROWS, True
    if waiting and (count or not has_any):
        yield pa.concat_tables(waiting).combine_chunks()


def write_pieces(groups: Iterable[pa.Table], file: BinaryIO) -> None:
    """Write tables of one schema, at least one, as the row groups of one file; otherwise as `write_parquet`."""
    writer = None
    for group in groups:
        writer = writer or pq.ParquetWriter(file, group.schema, write_page_checksum=True)
        writer.write_table(group)
    if writer is None:
        raise ValueError("a table has at least one piece")
    writer.close()
