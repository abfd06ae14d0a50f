"""Columns of an index.parquet as arrays: of numbers, of lists of numbers, of texts."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from egocurate.shards.read.check_column import check_column

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


def numbers(column: pa.Array) -> np.ndarray:
    """Return a column of numbers without copying it; `to_numpy` would import pandas, if it is there."""
    return np.from_dlpack(column)


def lists(column: pa.ListArray) -> ListColumn:
    """Return a column of lists of numbers without copying it."""
    return ListColumn(numbers(column.values), numbers(column.offsets))


def one_array(column: pa.ChunkedArray, name: str) -> pa.Array:
    """Return a column of a table as one array; texts that repeat are kept once each. Raises as `check_column`."""
    check_column(column, name)
    array = column.combine_chunks()
    return array.dictionary_encode() if name in REPEATED_TEXT_COLUMNS else array
