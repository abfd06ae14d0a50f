"""Columns of an index.parquet as arrays: of numbers, of lists of numbers, of texts."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from egocurate.shards.read.check_column import check_piece
from egocurate.shards.shard_format import ITEMS, index_type

ReadColumn = Callable[[str], pa.Array]
"""name -> the column"""


class ListColumn(NamedTuple):
    """A column of lists: that of row i is values[offsets[i] : offsets[i + 1]]."""

    values: np.ndarray
    offsets: np.ndarray

    def row(self, i: int) -> np.ndarray:
        """Return the list of a row, without copying it."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]


def numbers(column: pa.Array) -> np.ndarray:
    """Return a column of numbers without copying it; `to_numpy` would import pandas, if it is there."""
    return np.from_dlpack(column)


def lists(column: pa.LargeListArray) -> ListColumn:
    """Return a column of lists of numbers without copying it."""
    return ListColumn(numbers(column.values), numbers(column.offsets))


def column_kind(name: str) -> pa.DataType:
    """Return the type of a column in memory: texts and lists of millions of samples exceed what 32 bits can count."""
    kind = index_type(name)
    if pa.types.is_string(kind):
        return pa.large_string()
    return pa.large_list(kind.value_type) if pa.types.is_list(kind) else kind


def one_array(pieces: Iterable[pa.Array], name: str) -> pa.Array:
    """Return the pieces of a column as one array of its kind; raises as `check_piece`."""
    kind = column_kind(name)
    return pa.chunked_array([piece.cast(kind) for piece in checked_pieces(pieces, name)], kind).combine_chunks()


def checked_pieces(pieces: Iterable[pa.Array], name: str) -> Iterator[pa.Array]:
    """Yield the pieces of a column, or what their lists hold if the name ends in ITEMS; raises as `check_piece`."""
    for piece in pieces:
        check_piece(piece, name.removesuffix(ITEMS))
        yield piece.flatten() if name.endswith(ITEMS) else piece
