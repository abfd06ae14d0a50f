"""Columns as memory that all processes of a machine share: Arrow files in the user's cache, mapped, not read."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from egocurate.storage.atomic import atomic_file

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
                (self.folder / CHECKED).touch()

    def open(self, name: str, read: Callable[[], pa.Array]) -> pa.Array:
        """Return the column that `read` gives, mapped from its file, which is written if it is not there.

        Where the folder cannot be written, the column is read into memory.
        """
        path = self.folder / f"{name}.arrow"
        try:
            if not path.exists():
                if not self.folder.exists():
                    _remove_unused(self.folder.parent)
                self.folder.mkdir(parents=True, exist_ok=True)
                _write(read(), path)
            os.utime(self.folder)
            with pa.memory_map(str(path)) as source:
                return pa.ipc.open_file(source).get_batch(0).column(0)
        except OSError:
            return read()


def _write(column: pa.Array, path: Path) -> None:
    batch = pa.record_batch([column], names=["column"])
    with atomic_file(path) as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.glob("*"):
        if other.stat().st_mtime < oldest:
            shutil.rmtree(other, ignore_errors=True)
