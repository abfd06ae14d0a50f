"""Where files are, a folder of this machine or a URL of a store (s3://, gs://, http://, ...), as one kind of path.

A local path stays a `pathlib.Path`; a URL becomes a `UPath`, which has the same methods. What differs between the two
beyond these methods is here.
"""

import errno
import logging
import mmap
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from upath import UPath

from egocurate.errors import InputError, StoreError
from egocurate.extras import way_to_install
from egocurate.storage.redacted import REDACTED

AnyPath = Path | UPath
Bytes = bytes | mmap.mmap

log = logging.getLogger(__name__)

# `pathlib` folds the two slashes of a URL into one, and the command line's paths have been through it.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_HTTP = ("http", "https")
BUFFER_BYTES = 16 * 1024 * 1024  # read ahead, and one part of a multipart upload (of which S3 takes 10,000)
ATTEMPTS = 6  # with growing pauses, half a minute in all
PAUSE_SEC = 0.5  # before the second attempt; doubled before each further one
ROUNDS = 2  # of attempts, with clients that make these themselves
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
    if _EXTRAS.get(scheme) == "s3":
        options |= _S3_OPTIONS
    if scheme in _HTTP:
        options |= _http_options()
    return UPath(f"{scheme}://{rest}", **options)


def is_remote(path: AnyPath) -> bool:
    """Tell whether a path is one of a store, not of this machine."""
    return not isinstance(path, Path)


def of_this_process(path: AnyPath) -> AnyPath:
    """Return the path with connections of its own: those of a process that forked are of no use to its children."""
    return UPath(str(path), **path.storage_options) if is_remote(path) else path


def _http_options() -> dict[str, Any]:
    # Loaded by now, as the file system needs it. Its own limit is five minutes for a whole answer, however it flows.
    timeout = sys.modules["aiohttp"].ClientTimeout(total=None, sock_connect=5, sock_read=10)
    return {"client_kwargs": {"timeout": timeout}}


@contextmanager
def named(path: AnyPath) -> Iterator[None]:
    """Turn what a store's client raises into a StoreError that names `path`; a file that is absent stays that."""
    if not is_remote(path):
        yield
        return
    try:
        yield
    except FileNotFoundError:
        raise
    except _client_errors() as error:
        raise StoreError(f"{path}: {_reason(error)}") from error


def _client_errors() -> tuple[type[Exception], ...]:
    """Return the roots of what clients raise; a client that is not loaded has raised nothing."""
    names = (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError"), ("gcsfs.retry", "HttpError"))
    return (
        OSError,
        TimeoutError,
        *(getattr(sys.modules[module], name) for module, name in names if module in sys.modules),
    )


def read_range(path: UPath, size: int, offset: int) -> bytes:
    """Return up to `size` bytes at `offset`, or the whole file where its server cannot send ranges.

    A store that stumbles is asked again after growing pauses, each named in the log. Raises FileNotFoundError,
    StoreError.
    """
    with named(path):
        return _retried(path, lambda: path.fs.cat_file(path.path, start=offset, end=offset + size))


def _retried(path: UPath, ask: Callable[[], bytes]) -> bytes:
    attempts = ATTEMPTS if path.protocol in _HTTP else ROUNDS
    for attempt in range(1, attempts):
        try:
            return ask()
        except _client_errors() as error:
            if _is_final(error):
                raise
            pause = PAUSE_SEC * 2 ** (attempt - 1)
            log.warning(
                "%s: %s; asked again in %.3g s (%d of %d)", path, _first_line(error), pause, attempt + 1, attempts
            )
            time.sleep(pause)
    return ask()


def _is_final(error: Exception) -> bool:
    """Tell whether asking again cannot help."""
    status = getattr(error, "status", 0)
    refused = 400 <= status < 500 and status not in (408, 429)
    return isinstance(error, FileNotFoundError | PermissionError) or refused or "Credentials" in type(error).__name__


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


def _reason(error: Exception) -> str:
    message = _first_line(error)
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return f"the store refuses access ({message}); check the credentials and the bucket's policy"
    return (
        f"the store does not answer as it should, after {ATTEMPTS} attempts ({message}); "
        "check the network and AWS_ENDPOINT_URL, and run the same command again"
    )


def check_bucket(path: AnyPath) -> None:
    """Raise InputError if the bucket of a URL does not exist, StoreError if it refuses or does not answer."""
    if not is_remote(path) or path.protocol in (*_HTTP, "memory"):
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
    elif path.protocol in _HTTP:
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


def read_bytes(path: AnyPath) -> bytes:
    """Return a file's bytes; raises FileNotFoundError, StoreError."""
    if not is_remote(path):
        return path.read_bytes()
    with named(path):
        path = of_this_process(path)
        return path.fs.cat_file(path.path)


@contextmanager
def whole_file(path: AnyPath) -> Iterator[Bytes]:
    """Give a file's bytes: mapped if it is on this machine, fetched if it is in a store."""
    if is_remote(path):
        yield read_bytes(path)
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
    return _EXTRAS.get(path.protocol) == "s3"


def end_uploads(folder: AnyPath) -> None:
    """Give up what killed processes have left of uploads into `folder`: nobody sees the parts, but they cost."""
    if not is_remote(folder) or not _is_s3(folder):
        return
    bucket, _, prefix = folder.path.partition("/")
    with named(folder):
        listed = folder.fs.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/")
        for upload in listed.get("Uploads", ()):
            folder.fs.call_s3("abort_multipart_upload", Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
