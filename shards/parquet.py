"""Read parquet tables wherever they are."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from shards.remote_file import RemoteFile
from shards.store import AnyPath, is_remote, of_this_process, read_bytes


def parquet_file(path: AnyPath) -> pq.ParquetFile:
    """Open a parquet file; one in a store is fetched at once, since its columns would be thousands of requests."""
    return pq.ParquetFile(pa.BufferReader(read_bytes(path)) if is_remote(path) else path)


def read_parquet(path: AnyPath, columns: list[str] | None = None) -> pa.Table:
    """Return (some columns of) a parquet file's table; of one in a store only these columns are fetched."""
    if not is_remote(path):
        return pq.read_table(path, columns=columns)
    if columns is None:
        return pq.read_table(pa.BufferReader(read_bytes(path)))
    with io.BufferedReader(RemoteFile(of_this_process(path))) as file:
        return pq.read_table(file, columns=columns)
