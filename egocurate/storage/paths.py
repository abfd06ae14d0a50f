"""Where files are, a folder of this machine or a URL of a store (s3://, gs://, http://, ...), as one kind of path.

A local path stays a `pathlib.Path`; a URL becomes a `UPath`, which has the same methods. What differs between the two
beyond these methods is here.
"""

import errno
import mmap
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from upath import UPath

from egocurate.errors import InputError
from egocurate.extras import way_to_install
from egocurate.storage.fetch import ATTEMPTS, HTTP, S3, fetch
from egocurate.storage.redacted import REDACTED
from egocurate.storage.store_errors import named

AnyPath = Path | UPath
Bytes = bytes | mmap.mmap

# `pathlib` folds the two slashes of a URL into one, and the command line's paths have been through it.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")
BUFFER_BYTES = 16 * 1024 * 1024  # read ahead, and one part of a multipart upload (of which S3 takes 10,000)
NOTE_BYTES = 256 * 1024 * 1024
"""most bytes of what describes others: a manifest, a record, a note, a plan"""
TABLE_BYTES = 4 * 1024 * 1024 * 1024
"""most bytes of a table: of clips, of narrations, an index"""
TAR_BYTES = 64 * 1024 * 1024 * 1024
"""most bytes of a shard that is read whole though nothing tells its size"""
_S3_OPTIONS = {
    "default_block_size": BUFFER_BYTES,
    # A store that hangs must be given up before a decoder that waits for its bytes is held to hang.
    "config_kwargs": {
        "retries": {"total_max_attempts": ATTEMPTS, "mode": "standard"},
        "connect_timeout": 5,
        "read_timeout": 10,
    },
}


def as_path(where: "str | Path | UPath") -> AnyPath:
    """Return a path for a folder or file name or a URL; raises InputError for a URL that nothing here can open."""
    if isinstance(where, UPath) and not isinstance(where, Path):
        return where
    url = _URL.fullmatch(str(where))
    if url is None:
        return Path(where)
    scheme, rest = url[1].lower(), url[2]
    if REDACTED in rest:
        raise InputError(
            f"{scheme}://{rest}: the secrets of this URL were left out of a record: give the whole URL again"
        )
    if scheme in ("file", "local"):
        return Path("/", rest)
    try:
        fsspec.get_filesystem_class(scheme)
    except ValueError as error:
        raise InputError(
            f"{scheme}://{rest}: no such kind of store; give a folder, or an s3:// or gs:// URL"
        ) from error
    except ImportError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        way_out = way_to_install(missing) or str(error).partition("\n")[0]
        raise InputError(f"{scheme}://{rest}: what reads {scheme}:// is not installed; {way_out}") from error
    # Other processes write there as well: a listing that is remembered would be out of date.
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme in S3:
        options |= _S3_OPTIONS
    if scheme in HTTP:
        from egocurate.storage.http_session import checked_session  # aiohttp is needed for these alone

        options["get_client"] = checked_session
    return UPath(f"{scheme}://{rest}", **options)


def is_remote(path: AnyPath) -> bool:
    """Tell whether a path is one of a store, not of this machine."""
    return not isinstance(path, Path)


def of_this_process(path: AnyPath) -> AnyPath:
    """Return the path with connections of its own: those of a process that forked are of no use to its children."""
    return UPath(str(path), **path.storage_options) if is_remote(path) else path


def check_bucket(path: AnyPath) -> None:
    """Raise InputError if the bucket of a URL does not exist, StoreError if it refuses or does not answer."""
    if not is_remote(path) or path.protocol in (*HTTP, "memory"):
        return
    bucket = UPath(f"{path.protocol}://{path.drive}", **path.storage_options)
    with named(path):
        try:
            # One entry is enough: a bucket may hold millions.
            bucket.fs.call_s3("list_objects_v2", Bucket=path.drive, MaxKeys=1) if _is_s3(path) else bucket.fs.ls(
                path.drive
            )
        except FileNotFoundError as error:
            raise InputError(f"{path}: there is no bucket {path.drive}; make it first, or name another") from error


def make_folder(path: AnyPath) -> None:
    """Make a folder and those above it; a store has no folders, so there only the bucket must exist.

    Raises InputError where none can be made, StoreError.
    """
    check_output(path)
    if not is_remote(path):
        with _no_folder_named(path):
            path.mkdir(parents=True, exist_ok=True)


def check_output(path: AnyPath) -> None:
    """Raise InputError, before any work is done, for a place where no folder can be made, or nothing be written."""
    if not is_remote(path):
        _check_place(path)
    elif path.protocol in HTTP:
        raise InputError(f"{path}: http is for reading; write to a folder, or to an s3:// or gs:// URL")
    check_bucket(path)


def _check_place(path: Path) -> None:
    """Raise InputError if a file is where the folder or one above it is to be, or if it may not be made there."""
    there = next((place for place in (path, *path.parents) if os.path.lexists(place)), path)
    if os.path.lexists(there) and not there.is_dir():
        what = "is a file" if there == path else f"{there} is a file"
        raise InputError(f"{path}: {what}; name a folder")
    if there != path:
        with _no_folder_named(path), tempfile.TemporaryDirectory(prefix=".part-", dir=there):
            pass  # that a folder can be made is known once one has been made


@contextmanager
def _no_folder_named(path: Path) -> Iterator[None]:
    """Turn what the system raises where it makes no folder into an InputError; a full disk is another matter."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"{path}: no folder can be made there ({error.strerror}); name another") from error


def folder_exists(path: AnyPath) -> bool:
    """Tell whether a folder is there (in a store: whether anything lies below it); raises as `check_bucket`."""
    check_bucket(path)
    with named(path):
        return path.is_dir()


def file_sizes(folder: AnyPath) -> dict[str, int]:
    """Return the bytes of each file in a folder, by name, with one listing; {} if there is no such folder."""
    try:
        if is_remote(folder):
            with named(folder):
                entries = folder.fs.ls(folder.path, detail=True)
            return {entry["name"].rpartition("/")[2]: entry["size"] for entry in entries if entry["type"] == "file"}
        with os.scandir(folder) as entries:
            return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def read_bytes(path: AnyPath, at_most: int = NOTE_BYTES) -> bytes:
    """Return a file's bytes; raises FileNotFoundError, and InputError (StoreError) for more than `at_most` of them.

    So a file that has no end, or a server that sends none, ends in a line and not with the memory of the machine.
    """
    if is_remote(path):
        return fetch(of_this_process(path), at_most)
    with open(path, "rb", opener=_opened_at_once) as file:  # pathlib takes no opener
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is no file but a pipe or a device: copy what it gives to a file")
        if status.st_size > at_most:
            raise InputError(f"{path} is {status.st_size:,} bytes long, at most {at_most:,} can be right: name another")
        return file.read()


def _opened_at_once(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # a pipe would be waited for until something writes into it


@contextmanager
def whole_file(path: AnyPath, at_most: int) -> Iterator[Bytes]:
    """Give a file's bytes: mapped if it is on this machine, fetched, up to `at_most`, if it is in a store."""
    if is_remote(path):
        yield read_bytes(path, at_most)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def remove_folder(folder: AnyPath) -> None:
    """Remove a folder of files; nothing happens if it is not there."""
    for name in file_sizes(folder):
        (folder / name).unlink(missing_ok=True)
    if not is_remote(folder) and folder.exists():
        folder.rmdir()


def _is_s3(path: UPath) -> bool:
    return path.protocol in S3


def end_uploads(folder: AnyPath) -> None:
    """Give up what killed processes have left of uploads into `folder`: nobody sees the parts, but they cost."""
    if not is_remote(folder) or not _is_s3(folder):
        return
    bucket, _, prefix = folder.path.partition("/")
    with named(folder):
        listed = folder.fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/")
        for upload in listed.get("Uploads", ()):
            folder.fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
