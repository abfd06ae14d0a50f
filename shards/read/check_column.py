"""Whether a column of an index.parquet is of its type, and whole: what is cast or left out would be other data."""

import pyarrow as pa

from egocurate.shards.shard_format import INDEX_SCHEMA


def check_column(pieces: pa.ChunkedArray, name: str) -> None:
    """Raise pa.ArrowInvalid for a column of another type, without a value in some row, or with texts that are none."""
    kind = INDEX_SCHEMA.field(name).type
    if pieces.type != kind:
        raise pa.ArrowInvalid(f"column {name} is of type {pieces.type}, not {kind}")
    for piece in pieces.chunks:
        piece.validate(full=True)
        if piece.null_count or (pa.types.is_list(kind) and piece.flatten().null_count):
            raise pa.ArrowInvalid(f"column {name} has a row without a value")
