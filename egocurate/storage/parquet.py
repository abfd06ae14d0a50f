"""Read parquet tables wherever they are."""

import io
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.storage.paths import AnyPath, is_remote, of_this_process, read_bytes
from egocurate.storage.remote_file import RemoteFile


def parquet_file(path: AnyPath) -> pq.ParquetFile:
    """Open a parquet file; one in a store is fetched at once, since its columns would be thousands of requests."""
    return pq.ParquetFile(pa.BufferReader(read_bytes(path)) if is_remote(path) else path)


PIECE_ROWS = 65_536


def column_pieces(path: AnyPath, name: str) -> Iterator[pa.Array]:
    """Yield a column of a parquet file in pieces of at most PIECE_ROWS rows; of one in a store it alone is fetched."""
    for piece in table_pieces(path, [name]):
        yield from piece[name].chunks


def table_pieces(path: AnyPath, columns: list[str]) -> Iterator[pa.Table]:
    """Yield some columns of a parquet file as `column_pieces` one."""
    with _source(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(PIECE_ROWS, columns=columns):
            yield pa.Table.from_batches([batch])


def read_parquet(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """Return (some columns of) a parquet file's table; of one in a store only these columns are fetched."""
    # Not pq.read_table: it imports Arrow's datasets and pandas, 0.1 s and 50 MB in each training process.
    if columns is None or not is_remote(path):
        with parquet_file(path) as file:
            return file.read(columns)
    with _source(path) as source, pq.ParquetFile(source) as file:
        return file.read(columns)


def _source(path: AnyPath) -> BinaryIO:
    return io.BufferedReader(RemoteFile(of_this_process(path))) if is_remote(path) else path.open("rb")
