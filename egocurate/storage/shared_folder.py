"""Files in a folder that other users may share, such as a cache: never through a link, never by a name one can guess.

Folders that are made here are their user's alone (0700), and below a folder with the setgid bit, as groups share one,
those of the group too (2770). A file can be read by whoever may list its folder, and written by nobody but its maker:
the others replace it.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PART_SUFFIX = ".part"
_NO_LINK = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # nor wait for a pipe


def make_shared_folder(folder: Path) -> None:
    """Make a folder and those above it, unless they are there; raises OSError."""
    if folder.is_dir():
        return
    make_shared_folder(folder.parent)
    is_of_group = bool(folder.parent.stat().st_mode & stat.S_ISGID)
    with suppress(FileExistsError):
        folder.mkdir(0o700)
        if is_of_group:
            folder.chmod(0o2770)  # beyond what the umask leaves of it


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of a file; raises OSError, also for a link, a pipe and whatever else is no plain file."""
    descriptor = os.open(path, flags | _NO_LINK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no plain file")
    return descriptor


def create_plain(path: Path) -> int:
    """Return a descriptor, to read and write, of a file that was not there; raises FileExistsError, OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o600)
    with suppress(OSError):  # a file system without modes
        os.fchmod(descriptor, 0o600 | (path.parent.stat().st_mode & 0o044))
    return descriptor


def is_plain(path: Path, size: int) -> bool:
    """Tell whether a plain file of so many bytes is there."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


@contextmanager
def part_of(folder: Path) -> Iterator[tuple[int, Path]]:
    """Give descriptor and path of a new file of `folder`, to be renamed; one that keeps its name is removed."""
    path = folder / f"{secrets.token_hex(16)}{PART_SUFFIX}"
    descriptor = create_plain(path)
    try:
        yield descriptor, path
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
