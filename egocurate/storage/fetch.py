"""Fetch bytes of a store: bounded in memory and time, and asked for again where the store stumbles."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from fsspec.asyn import sync
from upath import UPath

from egocurate.errors import StoreError
from egocurate.storage.store_errors import client_errors, first_line, is_final, named, note, reason, status_of, too_long

HTTP = ("http", "https")
S3 = ("s3", "s3a")
ATTEMPTS = 6  # with growing pauses, half a minute in all
PAUSE_SEC = 0.5  # before the second attempt; doubled before each further one
ROUNDS = 2  # of attempts, with clients that make these themselves
Answer = TypeVar("Answer")
_ONE_STREAM_BYTES = 16 * 1024 * 1024  # a larger object of S3 comes faster over several connections


def fetch(path: UPath, at_most: int) -> bytes:
    """Return a file of a store; raises FileNotFoundError, and StoreError also for one of more bytes than `at_most`."""
    return _retried(path, lambda: _ask(path, at_most, None))


def fetch_span(path: UPath, offset: int, size: int, whole: int | None = None) -> bytes:
    """Return up to `size` bytes at `offset`, fewer where the file ends before; raises FileNotFoundError, StoreError.

    whole: the bytes that the file has, all of which a server without ranges may send where offset is 0.
    """
    if size == 0:
        return b""
    return _retried(path, lambda: _ask(path, max(size, whole or 0), (offset, offset + size)))


def file_size(path: UPath) -> int:
    """Return the bytes of a file of a store; raises FileNotFoundError, and StoreError also where nobody tells them."""

    def ask() -> int | None:
        try:
            return path.fs.info(path.path)["size"]
        except FileNotFoundError as error:
            # Over http every failure is taken for an absent file.
            for cause in (getattr(error.__cause__, "__cause__", None), error.__cause__):
                if isinstance(cause, (StoreError, *client_errors())) and getattr(cause, "status", 0) not in (404, 410):
                    raise cause from None
            raise

    size = _retried(path, ask)
    if size is None:
        raise StoreError(f"{path}: its server does not tell how long it is: copy the file here")
    return size


def _ask(path: UPath, at_most: int, span: tuple[int, int] | None) -> bytes:
    fs, name = path.fs, path.path
    if path.protocol in HTTP:
        from egocurate.storage.http_session import get  # aiohttp is loaded by now, by the file system

        return sync(fs.loop, get, fs, name, at_most, span)
    if path.protocol in S3:
        return _ask_s3(fs, name, at_most, span)
    if span is None:
        _check_size(path, fs.size(name), at_most)
        return fs.cat_file(name)
    return fs.cat_file(name, start=span[0], end=span[1])


def _ask_s3(fs: Any, name: str, at_most: int, span: tuple[int, int] | None) -> bytes:  # noqa: ANN401 (s3fs is an extra)
    from egocurate.storage.http_session import collect

    if span is None:
        size = fs.size(name)
        _check_size(name, size, at_most)
        if size > _ONE_STREAM_BYTES:
            return fs.cat_file(name)
        at_most = size

    async def body() -> bytes:
        bucket, key, version = fs.split_path(name)
        asked = {"Range": f"bytes={span[0]}-{span[1] - 1}"} if span else {}
        asked |= {"VersionId": version} if version else {}
        answer = await fs._call_s3("get_object", Bucket=bucket, Key=key, **asked)
        try:
            return await collect(answer["Body"].read, min(at_most, span[1] - span[0]) if span else at_most, name)
        finally:
            answer["Body"].close()

    try:
        return sync(fs.loop, body)
    except OSError as error:
        if span and status_of(error) == 416:
            return b""
        raise


def _check_size(where: object, size: int | None, at_most: int) -> None:
    if size is not None and size > at_most:
        raise too_long(where, size, at_most)


def _retried(path: UPath, ask: Callable[[], Answer]) -> Answer:
    attempts = ATTEMPTS if path.protocol in HTTP else ROUNDS
    with named(path):
        for attempt in range(1, attempts):
            try:
                return ask()
            except client_errors() as error:
                if is_final(error):
                    raise
                pause = PAUSE_SEC * 2 ** (attempt - 1)
                again = f"asked again in {pause:.3g} s ({attempt + 1} of {attempts})"
                note(f"{path}: {first_line(error)}; {again}")
                time.sleep(pause)
        try:
            return ask()
        except client_errors() as error:
            if is_final(error):
                raise
            raise StoreError(f"{path}: {reason(path.protocol, error, ATTEMPTS)}") from error
