"""Open an index.parquet: into memory, or mapped from a copy where it is large; only if it is what was written."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.errors import InputError
from egocurate.shards.read.check_index import check_index
from egocurate.shards.read.index_columns import ReadColumn, checked_pieces, column_kind, one_array
from egocurate.shards.shard_format import ITEMS
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.mapped_columns import MappedColumns, cache_folder
from egocurate.storage.parquet import pieces_of
from egocurate.storage.paths import BUFFER_BYTES, TABLE_BYTES, AnyPath, is_remote, read_bytes
from egocurate.storage.remote_file import open_file

MAPPED_FROM = 200_000  # samples; smaller indexes are read in a moment
LAYOUT = 2  # of the mapped columns: those of another one are left to be removed
WAY_OUT = "run `curate verify --repair` on the folder, or write the shards again"


class DamagedIndex(InputError):  # noqa: N818 (a state of a file)
    """An index that is not what was written, or does not fit its manifest."""


def open_columns(path: AnyPath, manifest: dict[str, Any]) -> ReadColumn:
    """Return what gives a column of an index by its name: out of a table in memory, or mapped if the index is large.

    A large index is copied once, piece by piece, to the user's cache: all processes of the machine share its memory.
    The copy is called after all that it holds, so no other folder's index is ever taken for it. Raises DamagedIndex for
    one that has other bytes than the manifest says, or numbers out of their range, and OSError, KeyError or
    pa.ArrowException for what cannot be read.
    """
    written = manifest.get("index")  # folders of the first releases do not tell
    if manifest["samples"] < MAPPED_FROM:
        # A server may send anything; a file of this machine that has grown is told from what was written below.
        data = read_bytes(path, written["bytes"] if written is not None and is_remote(path) else TABLE_BYTES)
        if written is not None:
            _check_bytes(path, f"{len(data)}:{hashlib.sha256(data).hexdigest()}", written)
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            table = file.read()
        return _checked(path, lambda name: one_array(table[name.removesuffix(ITEMS)].chunks, name), manifest)
    found = fingerprint(path) if written is None else f"{written['bytes']}:{written['sha256']}"
    content = f"{LAYOUT} {found} {json.dumps(manifest, sort_keys=True)}"
    digest = hashlib.sha256(content.encode()).hexdigest()
    mapped = MappedColumns(cache_folder() / "index" / digest[:32])

    @lru_cache(1)
    def table() -> pq.ParquetFile:
        return pq.ParquetFile(_checked_bytes(path, written))

    def read(name: str) -> pa.Array:
        return mapped.open(name, column_kind(name), lambda: checked_pieces(pieces(name), name))

    def pieces(name: str) -> Iterator[pa.Array]:
        column = name.removesuffix(ITEMS)
        for piece in pieces_of(table(), [column]):
            yield from piece[column].chunks

    if not mapped.is_checked:
        table()
        _checked(path, read, manifest)
        mapped.note_checked()
    return read


def _checked_bytes(path: AnyPath, written: dict[str, Any] | None) -> "str | BinaryIO":
    """Return a file that holds what was written: a copy of one in a store, which may send other bytes the next time."""
    if not is_remote(path):
        if written is not None:
            _check_bytes(path, fingerprint(path), written)
        return str(path)
    copy = tempfile.TemporaryFile()  # noqa: SIM115 (it has no name, and goes with the last that reads it)
    with open_file(path) as source:
        shutil.copyfileobj(source, copy, BUFFER_BYTES)
    copy.seek(0)
    if written is not None:
        digest = hashlib.file_digest(copy, "sha256").hexdigest()
        _check_bytes(path, f"{copy.tell()}:{digest}", written)
    return copy


def _check_bytes(path: AnyPath, found: str, written: dict[str, Any]) -> None:
    if found != f"{written['bytes']}:{written['sha256']}":
        raise DamagedIndex(f"{path} is not what was written: {WAY_OUT}")


def _checked(path: AnyPath, read: ReadColumn, manifest: dict[str, Any]) -> ReadColumn:
    try:
        check_index(read, manifest)
    except ValueError as error:
        raise DamagedIndex(f"{path} does not fit its manifest, {error}: {WAY_OUT}") from error
    return read
