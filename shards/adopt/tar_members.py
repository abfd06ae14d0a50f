"""The members of a tar that a stranger wrote, read once from its first byte to its last, with its digest.

Not the standard library's reader: it takes as much memory as a header says that names and attributes are long.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from egocurate.shards.write.tar import BLOCK

NAME_BYTES = 4096
"""most bytes of a member's name"""
ATTRIBUTE_BYTES = 1 << 20
"""most bytes of the attributes (pax) of a member"""
PIECE_BYTES = 1 << 20
MOST_MEMBERS = 4_000_000
"""of one tar: each costs memory"""

_LONG_NAME, _ATTRIBUTES, _GLOBAL = tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_WITHOUT_CONTENT = {  # whatever their size says
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}
_PAX = re.compile(rb"(\d{1,20}) ([^=]+)=")


@dataclass(frozen=True)
class Member:
    """A member of a tar: its name, where its content stands, and the content with its checksum if it was asked for.

    `fault` says why it is none to read (a link, a name that leads out, ...), "" for a plain file.
    """

    name: str
    offset: int
    size: int
    content: bytes | None = None
    crc32: int = 0
    fault: str = ""


class TarEnds(Exception):  # noqa: N818 (a state of a file)
    """A tar that cannot be read further; `str()` says why."""


class TarStream:
    """A tar of `size` bytes, read once; `sha256` is its digest when all members have been seen."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Read from a binary file that stands at its first byte."""
        self._file, self.size, self._at = file, size, 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the whole file."""
        self._skip(self.size - self._at)
        return self._digest.hexdigest()

    def members(self, limit: Callable[[str], int | None]) -> Iterator[Member]:
        """Yield the members but folders, with the content of those for which `limit` gives most bytes (None: skipped).

        Raises TarEnds where the rest is no tar, or not there.
        """
        long_name: str | None = None
        attributes: dict[str, str] = {}
        for count in range(MOST_MEMBERS + 1):
            if count == MOST_MEMBERS:
                raise TarEnds(f"it has more than {MOST_MEMBERS:,} members")
            if self._at == self.size:
                raise TarEnds("it has no end mark: it may be cut off")
            block = self._take(BLOCK)
            if not any(block):
                self._check_end()
                return
            header = _header(block)
            if header.type == _LONG_NAME:
                long_name = _text(self._content(header.size, NAME_BYTES, "a name")).rstrip("\0")
                continue
            if header.type in (_ATTRIBUTES, _GLOBAL):
                found = _attributes(self._content(header.size, ATTRIBUTE_BYTES, "attributes"))
                attributes = found if header.type == _ATTRIBUTES else attributes
                continue
            if header.type == tarfile.GNUTYPE_LONGLINK:
                self._skip_padded(header.size)
                continue
            name = attributes.get("path") or long_name or header.name
            size = _size(attributes.get("size"), header.size)
            is_sparse = any(key.startswith("GNU.sparse") for key in attributes)
            long_name, attributes = None, {}
            if header.type == tarfile.DIRTYPE:
                continue
            if header.type in _WITHOUT_CONTENT:
                yield Member(name, self._at, 0, fault=_WITHOUT_CONTENT[header.type])
                continue
            plain = header.type in _PLAIN and not is_sparse
            yield self._member(name, size, name_fault(name) if plain else "no plain file", limit)

    def _member(self, name: str, size: int, fault: str, limit: Callable[[str], int | None]) -> Member:
        offset = self._at
        if fault:
            self._skip_padded(size)
            return Member(name, offset, size, fault=fault)
        most = limit(name)
        if most is None or size > most:
            self._skip_padded(size)
            too_large = "" if most is None else f"{size:,} bytes, at most {most:,} are read"
            return Member(name, offset, size, fault=too_large)
        content = self._content(size, most, name)
        return Member(name, offset, size, content, zlib.crc32(content))

    def _check_end(self) -> None:
        """Raise TarEnds where something stands behind the end mark, which other readers do not read either."""
        if self._at == self.size:
            raise TarEnds("its end mark is not whole: it may be cut off")
        while self._at < self.size:
            if any(self._take(min(self.size - self._at, PIECE_BYTES)).lstrip(b"\0")):
                raise TarEnds("more stands behind its end mark, which is not read")

    def _content(self, size: int, most: int, what: str) -> bytes:
        if size > most:
            raise TarEnds(f"it has {what} of {size:,} bytes, at most {most:,} are read")
        content = self._take(size)
        self._skip(-size % BLOCK)
        return content

    def _skip_padded(self, size: int) -> None:
        self._skip(size + -size % BLOCK)

    def _skip(self, size: int) -> None:
        self._check_room(size)
        while size:
            size -= len(self._take(min(size, PIECE_BYTES)))

    def _take(self, size: int) -> bytes:
        self._check_room(size)
        data = self._file.read(size) if size else b""
        if len(data) != size:
            raise TarEnds(f"it ends at byte {self._at + len(data):,}, it had {self.size:,}")
        self._digest.update(data)
        self._at += size
        return data

    def _check_room(self, size: int) -> None:
        if size > self.size - self._at:
            raise TarEnds(f"a member leads beyond its end, byte {self.size:,}: the tar is cut off, or no tar")


def name_fault(name: str) -> str:
    """Return why a member's name is none to take, "" for one that is."""
    if len(name) > NAME_BYTES or not name.isprintable():
        return "a name that cannot be printed"
    if name.startswith("/") or ".." in name.split("/") or "\\" in name:
        return "a name that leads out of the tar"
    return ""


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except (tarfile.HeaderError, ValueError) as error:
        raise TarEnds(f"no header of a tar stands where the next should ({error})") from error
    if header.size < 0:
        raise TarEnds(f"a member has {header.size} bytes")
    return header


def _size(stated: str | None, of_header: int) -> int:
    if stated is None:
        return of_header
    if not (stated.isascii() and stated.isdigit() and len(stated) < 20):
        raise TarEnds(f"a member has {stated[:40]!r} bytes")
    return int(stated)


def _attributes(data: bytes) -> dict[str, str]:
    """Return the attributes of a pax header, "length key=value" each."""
    found, at = {}, 0
    while record := _PAX.match(data, at):
        end = at + int(record[1])
        if not record.end() < end <= len(data):
            raise TarEnds("the attributes of a member are none")
        found[_text(record[2])] = _text(data[record.end() : end - 1])
        at = end
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
