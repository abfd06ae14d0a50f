"""Read a file of a store piece by piece, as a video is read: in order for a while, then further on.

Not fsspec's own file with its block cache: it raises what the store's client does where we promise StoreError, and its
memory:// has one position for all who read a file, while a video is read at two places at once.
"""

import io
from functools import lru_cache, partial
from typing import BinaryIO

from upath import UPath

from egocurate.errors import StoreError
from egocurate.storage.fetch import fetch_span, file_size
from egocurate.storage.paths import TABLE_BYTES, AnyPath, is_remote, of_this_process
from egocurate.storage.store_errors import too_long

BLOCK_BYTES = 2 * 1024 * 1024  # some 10 s of 540p video: one request
BLOCKS = 8  # in memory: the header of a video and where its picture and sound are read


class RemoteFile(io.RawIOBase):
    """A file of a store, fetched by ranges of whole blocks, of which the last used are kept."""

    def __init__(self, path: UPath, block_bytes: int = BLOCK_BYTES) -> None:
        """Ask for the size; raises FileNotFoundError, StoreError."""
        self._block_bytes, self._at = block_bytes, 0
        self.bytes = file_size(path)
        # A function of no object: a cache that referred to this one would outlive it until the next garbage collection.
        self._block = lru_cache(BLOCKS)(partial(_read_block, path, self.bytes, block_bytes))

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; nothing is fetched."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.bytes}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer up to the end of a block."""
        number, begin = divmod(self._at, self._block_bytes)
        if self._at >= self.bytes:
            return 0
        piece = self._block(number)[begin : begin + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def _read_block(path: UPath, size: int, block_bytes: int, number: int) -> bytes:
    """Fetch one block of a file of `size` bytes; raises FileNotFoundError, StoreError."""
    start = number * block_bytes
    end = min(start + block_bytes, size)
    data = fetch_span(path, start, end - start)
    if len(data) != end - start:
        raise StoreError(
            f"{path}: {len(data):,} bytes came for the {end - start:,} asked for: it has changed meanwhile, or its "
            "server is wrong; copy the file here"
        )
    return data


def media(path: AnyPath) -> "str | RemoteFile":
    """Return what `av.open` takes for a path; raises FileNotFoundError, StoreError for one of a store."""
    return RemoteFile(path) if is_remote(path) else str(path)


def open_file(path: AnyPath) -> BinaryIO:
    """Open a note or a table to read its bytes from any place; raises FileNotFoundError, other OSError, StoreError."""
    if not is_remote(path):
        return path.open("rb")
    file = RemoteFile(of_this_process(path))
    if file.bytes > TABLE_BYTES:
        raise too_long(path, file.bytes, TABLE_BYTES)
    return io.BufferedReader(file)
