"""Write a file so that its final name only ever holds the whole content."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMP_PREFIX = ".part-"


def temp_path(path: Path) -> Path:
    """Return the name under which `path` is written until it is whole; one per process."""
    return path.with_name(f"{TEMP_PREFIX}{os.getpid()}-{path.name}")


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of `path`; on a clean exit fsync it and rename it to `path`, else remove it."""
    path = Path(path)
    temp = temp_path(path)
    try:
        with temp.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def atomic_write(path: str | Path, writer: Callable[[BinaryIO], None]) -> None:
    """Write `path` through `writer(file)`: whole under its name, or not there at all."""
    with atomic_file(path) as file:
        writer(file)
