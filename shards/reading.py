"""Read byte ranges of shards, with the files kept open."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

OPEN_FILES = 64


class _File:
    """A file descriptor that closes when the last user lets go of it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)


class OpenFiles:
    """The most recently used files, opened anew in each process; safe to use from several threads."""

    def __init__(self) -> None:
        """Hold no file yet."""
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files: OrderedDict[Path, _File] = OrderedDict()

    def read(self, path: Path, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; raises FileNotFoundError."""
        if self._process != os.getpid():
            # A lock that some thread held when the process forked would never be released here.
            self._reset()
        with self._lock:
            file = self._files.pop(path, None) or _File(path)
            self._files[path] = file
            if len(self._files) > OPEN_FILES:
                self._files.popitem(last=False)
        return os.pread(file.descriptor, size, offset)
