"""Columns as memory that all processes of a machine share: their buffers lie in files of the user's cache, mapped.

These are written piece by piece, so a column of any length costs no more memory than a piece of it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from egocurate.storage.atomic import atomic_file

CHECKED, LOCK = "checked", "lock"
UNUSED_DAYS = 30  # after which the columns of an index that nobody opened are removed

Pieces = Callable[[], Iterable[pa.Array]]
"""Gives the pieces of a column from its first row to its last, without nulls."""


def cache_folder() -> Path:
    """Return where the toolkit keeps what it can make again: egocurate in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "egocurate"


@dataclass(frozen=True)
class MappedColumns:
    """The columns of one table, each in files of `folder`, whose name must change with the content."""

    folder: Path

    @property
    def is_checked(self) -> bool:
        """Whether what the columns were made from has been looked at."""
        return (self.folder / CHECKED).exists()

    def note_checked(self) -> None:
        """Remember that what the columns were made from has been looked at; nothing happens where nothing is kept."""
        if self.folder.exists():
            with suppress(OSError):
                (self.folder / CHECKED).touch()

    def open(self, name: str, kind: pa.DataType, read: Pieces) -> pa.Array:
        """Return the column that `read` gives as one array, mapped from its files, which are written if need be.

        `kind` is one of numbers, `large_string`, or a `large_list` of numbers. Where the folder cannot be written, the
        column is read into memory. Of processes that ask at the same time one writes.
        """
        names = ("values",) if pa.types.is_primitive(kind) else ("offsets", "values")
        paths = [self.folder / f"{name}.{part}" for part in names]
        try:
            if not all(path.exists() for path in paths):
                if not self.folder.exists():
                    _remove_unused(self.folder.parent)
                self.folder.mkdir(parents=True, exist_ok=True)
                with _locked(self.folder / LOCK):
                    if not all(path.exists() for path in paths):
                        _write(read(), kind, paths)
            os.utime(self.folder)
            return _mapped(kind, paths)
        except OSError:
            return pa.chunked_array([piece.cast(kind) for piece in read()], kind).combine_chunks()


def _write(pieces: Iterable[pa.Array], kind: pa.DataType, paths: list[Path]) -> None:
    """Write the buffers of an array, one after the other piece: [values], or [offsets, values]."""
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_file(path)) for path in paths]
        end = np.zeros(1, np.int64)
        if len(files) > 1:
            files[0].write(end)
        for piece in pieces:
            column = piece.cast(kind)
            if len(files) == 1:
                values = np.from_dlpack(column)
            else:
                offsets, values = _offsets_and_values(column)
                files[0].write(end + offsets[1:])
                end = end + offsets[-1]
            files[-1].write(values)


def _offsets_and_values(column: pa.LargeListArray | pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets int64[n + 1], from 0 on, and the values of n lists, or the bytes of n texts."""
    if pa.types.is_large_list(column.type):
        offsets, values = np.from_dlpack(column.offsets), np.from_dlpack(column.values)
    else:
        _, starts, data = column.buffers()
        offsets = np.frombuffer(starts, np.int64)[column.offset : column.offset + len(column) + 1]
        values = np.frombuffer(data or b"", np.uint8)
    return offsets - offsets[0], values[offsets[0] : offsets[-1]]


def _mapped(kind: pa.DataType, paths: list[Path]) -> pa.Array:
    buffers = []
    for path in paths:
        with pa.memory_map(str(path)) as source:
            buffers.append(source.read_buffer() if source.size() else pa.py_buffer(b""))
    if len(buffers) == 1:
        return pa.Array.from_buffers(kind, buffers[0].size * 8 // kind.bit_width, [None, *buffers])
    offsets, values = buffers
    rows = offsets.size // 8 - 1
    if not pa.types.is_large_list(kind):
        return pa.Array.from_buffers(kind, rows, [None, offsets, values])
    of_lists = kind.value_type
    content = pa.Array.from_buffers(of_lists, values.size * 8 // of_lists.bit_width, [None, values])
    return pa.Array.from_buffers(kind, rows, [None, offsets], children=[content])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; one that is killed holds it no more."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.glob("*"):
        if other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
