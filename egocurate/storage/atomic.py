"""Write a file so that its final name only ever holds the whole content."""

import io
import json
import os
import secrets
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

    For writers that take a path only; its name ends as that of `path` does, since they choose the format by it. Nobody
    can guess it, so a link that is written through cannot be where it is.
    """
    with _part(path) as (temp, descriptor):
        os.close(descriptor)
        yield temp
        with temp.open("rb") as file:
            os.fsync(file.fileno())


@contextmanager
def _part(path: Path) -> Iterator[tuple[Path, int]]:
    temp = path.with_name(f"{TEMP_PREFIX}{secrets.token_hex(8)}-{path.name}")
    try:
        # The umask decides who may read what a user writes.
        yield temp, os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        temp.replace(path)
    except BaseException:
        temp.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def _temporary(path: Path) -> Iterator[BinaryIO]:
    with _part(path) as (_, descriptor), os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(descriptor)


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
