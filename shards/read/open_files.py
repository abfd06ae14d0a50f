"""Read byte ranges of shards, with the files kept open."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

from upath import UPath

from egocurate.storage.fetch import fetch_span
from egocurate.storage.paths import AnyPath, is_remote, of_this_process

OPEN_FILES = 64


class _File:
    """A file descriptor that closes when the last user lets go of it."""

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def read(self, size: int, offset: int) -> bytes:
        return os.pread(self.descriptor, size, offset)


class _Object:
    """A file of a store, read by ranges over this process's own connections."""

    def __init__(self, path: UPath) -> None:
        self.path = of_this_process(path)

    def read(self, size: int, offset: int) -> bytes:
        return fetch_span(self.path, offset, size)


class OpenFiles:
    """The most recently used files, opened anew in each process; safe to use from several threads."""

    def __init__(self) -> None:
        """Hold no file yet."""
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files: OrderedDict[AnyPath, _File | _Object] = OrderedDict()

    def read(self, path: AnyPath, size: int, offset: int) -> bytes:
        """Return up to `size` bytes at `offset`; raises FileNotFoundError, StoreError."""
        if self._process != os.getpid():
            # A lock that some thread held when the process forked would never be released here.
            self._reset()
        with self._lock:
            file = self._files.pop(path, None) or (_Object if is_remote(path) else _File)(path)
            self._files[path] = file
            if len(self._files) > OPEN_FILES:
                self._files.popitem(last=False)
        return file.read(size, offset)
