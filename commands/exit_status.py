"""How a command ends: its exit status, and a mistake in one line.

The line begins with `curate: ` everywhere, with many ranks `curate (rank 3): `. A program that puts its name before
what it says is told apart, in the log of a job, from the shell, torchrun and Ray, and one search finds its lines.
"""

from __future__ import annotations

import errno
import os

import typer

from egocurate.errors import ClusterLost, DiskFull, InputError, StoreError
from egocurate.storage.store_errors import client_errors, reason

EXIT_INPUT, EXIT_INCOMPLETE = 2, 3
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143  # 128 and the number of the signal, as shells have it

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_NO_RIGHT = (errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: Exception) -> tuple[str, int] | None:
    """Return the line and the exit status for an error; None for one that is a fault of the program."""
    if isinstance(error, DiskFull | StoreError | ClusterLost):
        return str(error), EXIT_INCOMPLETE
    if isinstance(error, InputError):
        return str(error), EXIT_INPUT
    if isinstance(error, client_errors()) and not isinstance(error, OSError):  # where no path is at hand to name it
        return f"a store: {reason('', error)}", EXIT_INCOMPLETE
    if isinstance(error, typer.TyperException):  # the command line itself is wrong
        return _usage(error), EXIT_INPUT
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        place = error.filename or "output folder"
        return f"{place}: {error.strerror}; free space or name another --out", EXIT_INCOMPLETE
    if isinstance(error, OSError) and error.errno in _NO_RIGHT:
        return _no_right(error)
    return None


def _no_right(error: OSError) -> tuple[str, int]:
    """Tell a file that is there, which could not be read, from a place where nothing could be written."""
    if error.filename and os.path.isfile(error.filename):  # noqa: PTH113 - no error where a folder above is closed, too
        return f"{error.filename}: {error.strerror}; let this user read it (chmod a+r), or run as its owner", EXIT_INPUT
    place = error.filename or "output folder"
    return f"{place}: {error.strerror}; let this user read and write there, or name another --out", EXIT_INCOMPLETE


def _usage(error: typer.TyperException) -> str:
    """Say on one line what typer says on several, and where an example is."""
    message = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message} (`{context.command_path} --help` has an example)" if context else message
