"""Columns as memory that all processes of a machine share: Arrow files in the user's cache, mapped, not read."""

import mmap
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from egocurate.storage.shared_folder import create_plain, make_shared_folder, open_plain, part_of

CHECKED = "checked"
UNUSED_DAYS = 30  # after which the columns of an index that nobody opened are removed


def cache_folder() -> Path:
    """Return where the toolkit keeps what it can make again: egocurate in XDG_CACHE_HOME, or in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "egocurate"


@dataclass(frozen=True)
class MappedColumns:
    """The columns of one table, each in a file of `folder`, whose name must change with the content."""

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

    def open(self, name: str, read: Callable[[], pa.Array]) -> pa.Array:
        """Return the column that `read` gives, mapped from its file, which is written if it is not there.

        Where the folder cannot be written, the column is read into memory.
        """
        path = self.folder / f"{name}.arrow"
        column = _mapped(path)
        if column is not None:
            with suppress(OSError):  # another user's, or on a mount that cannot be written
                os.utime(self.folder)
            return column
        column = read()
        try:
            if not self.folder.exists():
                _remove_unused(self.folder.parent)
            make_shared_folder(self.folder)
            _write(column, path)
        except OSError:
            return column
        mapped = _mapped(path)
        return column if mapped is None else mapped


def _mapped(path: Path) -> pa.Array | None:
    """Return the column in a file; None if there is none, or what is there is no such file."""
    try:
        descriptor = open_plain(path)
        try:
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptor)
        return pa.ipc.open_file(pa.py_buffer(mapped)).get_batch(0).column(0)
    except (OSError, ValueError, pa.ArrowException):
        return None


def _write(column: pa.Array, path: Path) -> None:
    batch = pa.record_batch([column], names=["column"])
    with part_of(path.parent) as (descriptor, part), open(descriptor, "wb", closefd=False) as file:
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)
        file.flush()
        os.fsync(descriptor)
        part.rename(path)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.glob("*"):
        with suppress(OSError):
            if other.stat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)
