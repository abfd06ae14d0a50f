"""Columns as memory that all processes of a machine share: their buffers lie in files of the user's cache, mapped.

These are written piece by piece, so a column of any length costs no more memory than a piece of it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from egocurate.storage.shared_folder import create_plain, make_shared_folder, open_plain, part_of

CHECKED, LOCK, SIZES = "checked", "lock", "sizes"
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
                os.close(create_plain(self.folder / CHECKED))

    def open(self, name: str, kind: pa.DataType, read: Pieces) -> pa.Array:
        """Return the column that `read` gives as one array, mapped from its files, which are written if need be.

        `kind` is one of numbers, `large_string`, or a `large_list` of numbers. Where the folder cannot be written, the
        column is read into memory. Of processes that ask at the same time one writes.
        """
        names = ("values",) if pa.types.is_primitive(kind) else ("offsets", "values")
        paths = [self.folder / f"{name}.{part}" for part in (*names, SIZES)]
        column = _mapped(kind, paths)
        if column is not None:
            with suppress(OSError):  # another user's, or on a mount that cannot be written
                os.utime(self.folder)
            return column
        try:
            if not self.folder.exists():
                _remove_unused(self.folder.parent)
            make_shared_folder(self.folder)
            with _locked(self.folder / LOCK):
                column = _mapped(kind, paths)
                if column is None:
                    _write(read(), kind, paths)
                    column = _mapped(kind, paths)
        except OSError:
            column = None
        if column is None:
            return pa.chunked_array([piece.cast(kind) for piece in read()], kind).combine_chunks()
        return column


def _write(pieces: Iterable[pa.Array], kind: pa.DataType, paths: list[Path]) -> None:
    """Write the buffers of an array, one after the other piece: [values], or [offsets, values]; and their sizes."""
    with ExitStack() as stack:
        parts = [stack.enter_context(part_of(path.parent)) for path in paths]
        files = [stack.enter_context(open(descriptor, "wb", closefd=False)) for descriptor, _ in parts]
        *buffers, sizes = files
        end = np.zeros(1, np.int64)
        if len(buffers) > 1:
            buffers[0].write(end)
        for piece in pieces:
            column = piece.cast(kind)
            if len(buffers) == 1:
                values = np.from_dlpack(column)
            else:
                offsets, values = _offsets_and_values(column)
                buffers[0].write(end + offsets[1:])
                end = end + offsets[-1]
            buffers[-1].write(values)
        sizes.write(" ".join(str(file.tell()) for file in buffers).encode())
        for file, (descriptor, part), path in zip(files, parts, paths, strict=True):
            file.flush()
            os.fsync(descriptor)
            part.rename(path)


def _offsets_and_values(column: pa.LargeListArray | pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the offsets int64[n + 1], from 0 on, and the values of n lists, or the bytes of n texts."""
    if pa.types.is_large_list(column.type):
        offsets, values = np.from_dlpack(column.offsets), np.from_dlpack(column.values)
    else:
        _, starts, data = column.buffers()
        offsets = np.frombuffer(starts, np.int64)[column.offset : column.offset + len(column) + 1]
        values = np.frombuffer(data or b"", np.uint8)
    return offsets - offsets[0], values[offsets[0] : offsets[-1]]


def _mapped(kind: pa.DataType, paths: list[Path]) -> pa.Array | None:
    """Return the column in its files; None if one is not there, is no such file, or has another size than written."""
    try:
        *buffers, sizes = (_buffer(path) for path in paths)
    except OSError:
        return None
    if bytes(sizes).split() != [str(buffer.size).encode() for buffer in buffers]:
        return None
    if len(buffers) == 1:
        return pa.Array.from_buffers(kind, buffers[0].size * 8 // kind.bit_width, [None, *buffers])
    offsets, values = buffers
    rows = offsets.size // 8 - 1
    if not pa.types.is_large_list(kind):
        return pa.Array.from_buffers(kind, rows, [None, offsets, values])
    of_lists = kind.value_type
    content = pa.Array.from_buffers(of_lists, values.size * 8 // of_lists.bit_width, [None, values])
    return pa.Array.from_buffers(kind, rows, [None, offsets], children=[content])


def _buffer(path: Path) -> pa.Buffer:
    descriptor = open_plain(path)
    try:
        if os.fstat(descriptor).st_size == 0:  # which cannot be mapped
            return pa.py_buffer(b"")
        return pa.py_buffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; one that is killed holds it no more. Raises OSError."""
    try:
        descriptor = create_plain(path)
    except FileExistsError:
        descriptor = open_plain(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.glob("*"):
        with suppress(OSError):
            if other.stat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)
