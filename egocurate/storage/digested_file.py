"""A file that is written once from start to end, and the digest of what was written."""

import hashlib
import io
from typing import BinaryIO


class DigestedFile(io.RawIOBase):
    """Passes on to another file what is written, and knows its size and sha256; the other file stays open."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to a file that stands at its start."""
        self._file, self._hash = file, hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of all that was written so far."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self.bytes

    def write(self, data: bytes) -> int:
        """Write all of `data`."""
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        return len(data)
