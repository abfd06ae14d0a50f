"""Class sets of many clips as ragged arrays: which pairs of clips have a class in common."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Ragged = tuple[Ints, Ints]  # values [M], offsets [N + 1]: row i holds values[offsets[i]:offsets[i + 1]]


def ragged(column: pa.Array | pa.ChunkedArray) -> Ragged:
    """Read a column of lists of integers."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    sizes = whole.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
    return whole.flatten().to_numpy(zero_copy_only=False).astype(np.int64), np.r_[0, np.cumsum(sizes)]


def signatures(tags: Ragged) -> NDArray[np.uint64]:
    """Fold each row's classes into 64 bits [N]: rows whose signatures share no bit share no class."""
    values, offsets = tags
    bits = np.left_shift(np.uint64(1), (values % 64).astype(np.uint64))
    folded = np.zeros(len(offsets) - 1, dtype=np.uint64)
    np.bitwise_or.at(folded, np.repeat(np.arange(len(folded)), np.diff(offsets)), bits)
    return folded


def share(tags: Ragged, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """Tell for each pair of rows (a[i], b[i]) whether they have a class in common."""
    width = int(tags[0].max(initial=0)) + 1
    keys_a, pair = _pair_keys(tags, a, width)
    keys_b, _ = _pair_keys(tags, b, width)
    shared = np.zeros(len(a), dtype=bool)
    shared[pair[np.isin(keys_a, keys_b)]] = True
    return shared


def with_none(tags: Ragged) -> Ragged:
    """Give rows without a class a class of their own, so that two such rows share it."""
    values, offsets = tags
    none = int(values.max(initial=-1)) + 1
    return np.insert(values, offsets[:-1][np.diff(offsets) == 0], none), np.r_[
        0, np.cumsum(np.maximum(np.diff(offsets), 1))
    ]


def _pair_keys(tags: Ragged, rows: Ints, width: int) -> tuple[Ints, Ints]:
    """List (pair number, class) as one number for every class of each row, and the pair number."""
    values, offsets = tags
    sizes = offsets[rows + 1] - offsets[rows]
    pair = np.repeat(np.arange(len(rows)), sizes)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return pair * width + values[offsets[rows][pair] + within], pair
