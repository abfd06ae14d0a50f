"""Write plain USTAR archives whose bytes depend on names and contents alone, and that say where each content stands."""

import tarfile
from typing import BinaryIO

from egocurate.storage.digested_file import DigestedFile

BLOCK = 512
NAME_LIMIT = 100


def member_header(name: str, size: int) -> bytes:
    """Return the 512-byte USTAR header of a regular file; raises ValueError if the name does not fit."""
    if len(name) > NAME_LIMIT or not name.isascii():
        raise ValueError(f"tar member name {name!r} is not plain ASCII of at most {NAME_LIMIT} characters")
    # TarInfo's own defaults are what is wanted: mode 0644, owner 0, time 0.
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


class TarShard:
    """An archive being written; `bytes` and `sha256` cover all that was written so far."""

    def __init__(self, file: BinaryIO) -> None:
        """Write to an empty binary file."""
        self._file = DigestedFile(file)

    def add(self, name: str, content: bytes) -> int:
        """Append a member and return the offset of its content."""
        self._file.write(member_header(name, len(content)))
        offset = self.bytes
        self._file.write(content)
        self._file.write(bytes(-len(content) % BLOCK))
        return offset

    def close(self) -> None:
        """Write the end marker; the file itself stays open."""
        self._file.write(bytes(2 * BLOCK))

    @property
    def bytes(self) -> int:
        """Size of the archive."""
        return self._file.bytes

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the archive."""
        return self._file.sha256
