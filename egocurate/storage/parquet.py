"""Write parquet tables with checksums, and read them wherever they are."""

import io
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.storage.paths import AnyPath, is_remote, of_this_process, read_bytes
from egocurate.storage.remote_file import RemoteFile


def parquet_file(path: AnyPath) -> pq.ParquetFile:
    """Open a parquet file; one in a store is fetched at once, since its columns would be thousands of requests."""
    source = pa.BufferReader(read_bytes(path)) if is_remote(path) else path
    return pq.ParquetFile(source, page_checksum_verification=True)


def read_parquet(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """Return (some columns of) a parquet file's table; of one in a store only these columns are fetched."""
    # Not pq.read_table: it imports Arrow's datasets and pandas, 0.1 s and 50 MB in each training process.
    if columns is None or not is_remote(path):
        with parquet_file(path) as file:
            return file.read(columns)
    with (
        io.BufferedReader(RemoteFile(of_this_process(path))) as source,
        pq.ParquetFile(source, page_checksum_verification=True) as file,
    ):
        return file.read(columns)


def write_parquet(table: pa.Table, file: BinaryIO) -> None:
    """Write a table so that values which change on the way are found when it is read."""
    pq.write_table(table, file, write_page_checksum=True)
