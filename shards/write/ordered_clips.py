"""Clips of a table in an order of their own, copied out a few at a time: no table is in memory twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

PIECE_CLIPS = 65_536
WIDEST = 8
"""how many times over all shards together may span the table before it is copied"""


@dataclass(frozen=True)
class OrderedClips:
    """The clips rows[0], rows[1], ... of a table; rows int64[n]."""

    table: pa.Table
    rows: np.ndarray

    @classmethod
    def in_shards(cls, table: pa.Table, rows: np.ndarray, bounds: np.ndarray) -> OrderedClips:
        """Order the clips of shards, of which each begins at one of bounds int64[shards + 1].

        A table in which the clips of a shard stand far apart is copied, or each shard would cost a look at all of it.
        """
        starts = bounds[:-1][np.diff(bounds) > 0]
        spans = np.maximum.reduceat(rows, starts) - np.minimum.reduceat(rows, starts) if len(starts) else np.zeros(0)
        if spans.sum() > WIDEST * len(table):
            return cls(table.take(rows).combine_chunks(), np.arange(len(rows)))
        return cls(table, rows)

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.rows)

    def take(self, places: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the clips at some places of the order, int64[m], with some columns or all."""
        table, rows = self.table if columns is None else self.table.select(columns), self.rows[places]
        if not len(rows):
            return table.slice(0, 0)
        low = int(rows.min())
        return table.slice(low, int(rows.max()) + 1 - low).take(rows - low)

    def numbers(self, name: str) -> np.ndarray:
        """Return a whole column of numbers."""
        return self.table[name].to_numpy()[self.rows]

    def pieces(self, name: str) -> Iterator[pa.Array]:
        """Yield a column from its first clip to its last."""
        for first in range(0, len(self), PIECE_CLIPS):
            places = np.arange(first, min(len(self), first + PIECE_CLIPS))
            yield self.take(places, [name])[name].combine_chunks()
