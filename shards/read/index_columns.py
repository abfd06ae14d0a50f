"""Columns of an index.parquet as arrays: read into memory, or mapped from a copy where they are large."""

import hashlib
import json
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from egocurate.shards.shard_format import INDEX_SCHEMA
from egocurate.storage.mapped_columns import MappedColumns, cache_folder
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath

MAPPED_FROM = 200_000  # samples; smaller indexes are read in a moment
REPEATED_TEXT_COLUMNS = ("video_uid", "narration_source")

ReadColumn = Callable[[str], pa.Array]
"""name -> the column"""


class ListColumn(NamedTuple):
    """A column of lists: that of row i is values[offsets[i] : offsets[i + 1]]."""

    values: np.ndarray
    offsets: np.ndarray

    def row(self, i: int) -> np.ndarray:
        """Return the list of a row, without copying it."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]


def open_columns(path: AnyPath, manifest: dict) -> ReadColumn:
    """Return what gives a column of an index by its name: out of a table in memory, or mapped if the index is large.

    A large index is copied once, column by column, to the user's cache: all processes of the machine share its memory.
    """
    if manifest["samples"] < MAPPED_FROM:
        table = read_parquet(path)
        return lambda name: _one_array(table[name], name)
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    mapped = MappedColumns(cache_folder() / "index" / digest[:32])
    # Column by column: the whole table next to what is made of it would take twice the memory.
    return lambda name: mapped.open(name, lambda: _one_array(read_parquet(path, [name])[name], name))


def numbers(column: pa.Array) -> np.ndarray:
    """Return a column of numbers without copying it; `to_numpy` would import pandas, if it is there."""
    return np.from_dlpack(column)


def lists(column: pa.ListArray) -> ListColumn:
    """Return a column of lists of numbers without copying it."""
    return ListColumn(numbers(column.values), numbers(column.offsets))


def _one_array(column: pa.ChunkedArray, name: str) -> pa.Array:
    array = column.cast(INDEX_SCHEMA.field(name).type).combine_chunks()
    return array.dictionary_encode() if name in REPEATED_TEXT_COLUMNS else array
