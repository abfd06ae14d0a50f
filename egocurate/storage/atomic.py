"""Write a file so that its final name only ever holds the whole content."""

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from upath import UPath

from egocurate.storage.paths import AnyPath, as_path, is_remote, named
from egocurate.storage.redacted import redacted_values

TEMP_PREFIX = ".part-"
# Stores whose client uploads in parts: nothing is to be seen of an object until its upload is completed.
MULTIPART = ("s3", "s3a", "gs", "gcs")


def temp_path(path: Path) -> Path:
    """Return the name under which `path` is written until it is whole; one per process of each machine."""
    return path.with_name(f"{TEMP_PREFIX}{socket.gethostname()}-{os.getpid()}-{path.name}")


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; no other process may be writing there."""
    for temp in folder.glob(f"{TEMP_PREFIX}*"):
        temp.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: str | AnyPath) -> Iterator[BinaryIO]:
    """Open a file that takes the name `path` on a clean exit, and leaves nothing behind on any other.

    On this machine that is a temporary neighbour, fsynced and renamed; in a store an upload, completed or given up.
    Raises StoreError where a store does not take it.
    """
    path = as_path(path)
    with (_upload if is_remote(path) else _temporary)(path) as file:
        yield file


def atomic_write(path: str | AnyPath, writer: Callable[[BinaryIO], None]) -> None:
    """Write `path` through `writer(file)`: whole under its name, or not there at all."""
    with atomic_file(path) as file:
        writer(file)


def write_text(path: str | AnyPath, text: str) -> None:
    """Write `text` in UTF-8 to `path`: whole under its name, or not there at all."""
    atomic_write(path, lambda file: file.write(text.encode()))


def write_json(path: str | AnyPath, value: object) -> None:
    """Write a value as indented JSON to `path`, without secrets: whole under its name, or not there at all."""
    write_text(path, json.dumps(redacted_values(value), indent=1))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a path to write a file of this machine to: it is renamed `path` on a clean exit, and removed on any other.

    For writers that take a path only; its name ends as that of `path` does, since they choose the format by it.
    """
    temp = temp_path(path)
    try:
        yield temp
        with temp.open("rb") as file:
            os.fsync(file.fileno())
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def _temporary(path: Path) -> Iterator[BinaryIO]:
    with atomic_path(path) as temp, temp.open("wb") as file:
        yield file


@contextmanager
def _upload(path: UPath) -> Iterator[BinaryIO]:
    if path.protocol not in MULTIPART:
        content = io.BytesIO()
        yield content
        with named(path):
            path.fs.pipe_file(path.path, content.getvalue())
        return
    with named(path):
        file = path.fs.open(path.path, "wb")
        try:
            yield file
            file.close()
        except BaseException:
            # Closing would complete the upload, and so would the garbage collector.
            file.closed = True
            file.discard()
            raise
