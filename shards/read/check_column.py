"""Whether a column of an index.parquet is of its type, and whole: what is cast or left out would be other data."""

import pyarrow as pa

from egocurate.shards.shard_format import index_type


def check_piece(piece: pa.Array, name: str) -> None:
    """Raise pa.ArrowInvalid for rows of another type, or without a value, or with texts that are none."""
    kind = index_type(name)
    if piece.type != kind:
        raise pa.ArrowInvalid(f"column {name} is of type {piece.type}, not {kind}")
    piece.validate(full=True)
    while piece is not None:
        if piece.null_count:
            raise pa.ArrowInvalid(f"column {name} has a row without a value")
        piece = piece.flatten() if pa.types.is_list(piece.type) else None
