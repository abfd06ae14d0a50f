"""What a store's client raises, in one line that names the file and the way out; and what is said of it meanwhile."""

from __future__ import annotations

import logging
import mmap
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from egocurate.errors import StoreError
from egocurate.storage.redacted import redacted

if TYPE_CHECKING:
    from upath import UPath

AGAIN_SEC = 60.0
"""a store that stumbles is named once in so long, by whichever process of a run is the first"""

_LONGEST = 200  # characters of what a server says that are repeated
_NOTICES = struct.Struct("dq")  # when the last one was given (monotonic), how many were not since then
# Of this process and those that fork from it: the workers of a stream all meet the same dead store.
_given = mmap.mmap(-1, _NOTICES.size)

log = logging.getLogger(__name__)


@contextmanager
def named(path: Path | UPath) -> Iterator[None]:
    """Turn what a store's client raises into a StoreError that names `path`; a file that is absent stays that."""
    if isinstance(path, Path):
        yield
        return
    try:
        yield
    except FileNotFoundError:
        raise
    except client_errors() as error:
        raise StoreError(f"{path}: {reason(path.protocol, error)}") from error


def client_errors() -> tuple[type[Exception], ...]:
    """Return the roots of what clients raise; a client that is not loaded has raised nothing."""
    names = (("botocore.exceptions", "BotoCoreError"), ("aiohttp", "ClientError"), ("gcsfs.retry", "HttpError"))
    return (
        OSError,
        TimeoutError,
        *(getattr(sys.modules[module], name) for module, name in names if module in sys.modules),
    )


def status_of(error: Exception) -> int:
    """Return the status of the answer that an error is made of, 0 if there was none."""
    answer = getattr(error.__cause__, "response", None)  # a dict as botocore has it
    metadata = answer.get("ResponseMetadata", {}) if isinstance(answer, dict) else {}
    return getattr(error, "status", 0) or metadata.get("HTTPStatusCode", 0)


def is_final(error: Exception) -> bool:
    """Tell whether asking again cannot help."""
    status = status_of(error)
    refused = 400 <= status < 500 and status not in (408, 429)
    names = {kind.__name__ for kind in type(error).__mro__}
    return (
        isinstance(error, FileNotFoundError | PermissionError)
        or refused
        or "Credentials" in type(error).__name__
        or not names.isdisjoint(("TooManyRedirects", "InvalidURL"))
    )


def first_line(error: Exception) -> str:
    """Return what an error says, in a line that a terminal can be shown, whatever a server has put in it."""
    status, message = getattr(error, "status", 0), getattr(error, "message", "")
    said = f"HTTP {status} {message}".strip() if status else str(error) or type(error).__name__
    said = said.partition("\n")[0].partition(": <")[0]  # of an error inside of it the kind is told, no more
    line = "".join(letter if letter.isprintable() else " " for letter in said)
    return redacted(line[:_LONGEST])


def reason(protocol: str, error: Exception, attempts: int = 1) -> str:
    """Return why a file cannot be had and the way out, after so many attempts."""
    message, kind = first_line(error), type(error).__name__
    if kind in ("NoCredentialsError", "PartialCredentialsError"):
        return "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    if isinstance(error, PermissionError):
        return f"the store refuses access ({message}); check the credentials and the bucket's policy"
    if status_of(error) in (401, 403):
        return f"the server refuses access ({message}); check the user, the password or the signature in the URL"
    if kind == "TooManyRedirects":
        return "its server sends on from place to place without end; check the URL"
    if is_final(error):
        return f"the server refuses the request ({message}); check the URL"
    after = f", after {attempts} attempts" if attempts > 1 else ""
    where = "the network" if protocol in ("http", "https") else "the network and AWS_ENDPOINT_URL"
    return f"the store does not answer as it should{after} ({message}); check {where}, and run the same command again"


def too_long(where: object, stated: int | None, at_most: int) -> StoreError:
    """Return what to raise for a file that has, or says it has, more bytes than can be right."""
    size = "does not end" if stated is None else f"is {stated:,} bytes long"
    return StoreError(
        f"{where}: it {size}, at most {at_most:,} bytes can be right: check the URL, or copy the file here"
    )


def note(line: str) -> None:
    """Log that a store stumbles, at most once in `AGAIN_SEC` of a process and its workers; the others are counted."""
    last, unsaid = _NOTICES.unpack_from(_given)
    now = time.monotonic()
    if last and now - last < AGAIN_SEC:
        _NOTICES.pack_into(_given, 0, last, unsaid + 1)
        return
    _NOTICES.pack_into(_given, 0, now, 0)
    log.warning("%s%s", redacted(line), f" (and {unsaid:,} times more since the last such line)" if unsaid else "")
