"""Read a file of a store piece by piece, as a video is read: in order for a while, then further on."""

import io
from collections import OrderedDict

from upath import UPath

from egocurate.storage.paths import AnyPath, is_remote, named

BLOCK_BYTES = 2 * 1024 * 1024  # some 10 s of 540p video: one request
BLOCKS = 8  # kept: the header of a video and where its picture and sound are read


class RemoteFile(io.RawIOBase):
    """A file of a store, fetched by ranges of whole blocks, of which the last used are kept."""

    def __init__(self, path: UPath, block_bytes: int = BLOCK_BYTES) -> None:
        """Ask for the size; raises FileNotFoundError, StoreError."""
        self._path, self._block_bytes, self._at = path, block_bytes, 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        with named(path):
            self._size = path.stat().st_size

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
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer up to the end of a block."""
        number, begin = divmod(self._at, self._block_bytes)
        if self._at >= self._size:
            return 0
        piece = self._block(number)[begin : begin + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * self._block_bytes
        with named(self._path):
            data = self._path.fs.cat_file(self._path.path, start=start, end=min(start + self._block_bytes, self._size))
        self._blocks[number] = data
        if len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)
        return data


def media(path: AnyPath) -> "str | RemoteFile":
    """Return what `av.open` takes for a path; raises FileNotFoundError, StoreError for one of a store."""
    return RemoteFile(path) if is_remote(path) else str(path)
