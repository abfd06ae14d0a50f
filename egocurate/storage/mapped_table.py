"""A large table as memory that is a file: the kernel takes back what is not looked at, and nobody's own memory grows.

The file has no name. It is of the user's cache, and goes with the last of its table, however the process ends.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterable
from typing import BinaryIO

import pyarrow as pa

from egocurate.storage.mapped_columns import cache_folder
from egocurate.storage.shared_folder import make_shared_folder

TablePieces = Callable[[], Iterable[pa.Table]]
"""Gives the pieces of a table, one or more of one schema, from its first row to its last."""


def mapped_table(read: TablePieces) -> pa.Table:
    """Return the pieces that `read` gives as one table, mapped from a file that is written piece by piece.

    Where no such file can be written, the table is read into memory.
    """
    try:
        with _nameless_file() as file:
            return _mapped(read, file)
    except OSError:  # the disk is full, or the cache not to be written; what cannot be read says so again
        return pa.concat_tables(read())


def _mapped(read: TablePieces, file: BinaryIO) -> pa.Table:
    writer = None
    for piece in read():
        writer = writer or pa.ipc.new_file(file, piece.schema)
        writer.write_table(piece)
    if writer is None:
        raise ValueError("a table has at least one piece")
    writer.close()
    file.flush()
    return pa.ipc.open_file(pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))).read_all()


def _nameless_file() -> BinaryIO:
    folder = cache_folder()
    make_shared_folder(folder)
    return tempfile.TemporaryFile(dir=folder)
