"""The clip table, which every room reads: its columns, those of the published egoclip.csv, and the names of clips."""

import hashlib
import re
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from egocurate.errors import InputError

PUBLISHED_TYPES = {
    "clip_idx": pa.int64(),
    "video_uid": pa.string(),
    "video_dur": pa.float64(),
    "narration_source": pa.string(),
    "narration_ind": pa.int64(),
    "narration_time": pa.float64(),
    "clip_start": pa.float64(),
    "clip_end": pa.float64(),
    "clip_text": pa.string(),
    "tag_verb": pa.list_(pa.int32()),
    "tag_noun": pa.list_(pa.int32()),
}
CLIP_ID = ("video_uid", "narration_source", "narration_ind")
"""Columns that name a clip: no two clips of a table have all three alike."""

CSV_COLUMNS = tuple(PUBLISHED_TYPES)
"""Columns of the published egoclip.csv, in its order."""

CLIP_SCHEMA = pa.schema(
    [
        *PUBLISHED_TYPES.items(),
        ("key", pa.string()),
        ("text", pa.string()),
        ("window_start", pa.float64()),
        ("window_end", pa.float64()),
        ("neighbourhood", pa.int64()),
        ("negatives", pa.list_(pa.int64())),
    ]
)
"""Columns of egoclip.parquet: the published ones and what later steps need (docs/formats.md)."""


# With ".json" a key still fits the 100 characters of a tar member's name.
KEY_LIMIT = 90
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def require_columns(path: object, columns: Collection[str], needed: Sequence[str]) -> None:
    """Raise InputError, naming what the table at `path` lacks, unless it has the columns that are needed."""
    missing = [name for name in needed if name not in columns]
    if missing:
        raise InputError(
            f"{path}: columns {', '.join(missing)} are missing; page Formats of the documentation lists all"
        )


def clip_key(video_uid: str, narration_source: str, narration_ind: int) -> str:
    """Return the name of a clip: only letters, digits, - and _, as loaders split a member's name at its first dot."""
    whole = f"{video_uid}-{narration_source}-{narration_ind:05d}"
    safe = UNSAFE.sub("_", whole)
    if safe == whole and len(whole) <= KEY_LIMIT:
        return whole
    # What was replaced or cut off must still tell two clips apart.
    return f"{safe[: KEY_LIMIT - 17]}-{hashlib.sha256(whole.encode()).hexdigest()[:16]}"


def column_codes(column: pa.ChunkedArray) -> np.ndarray:
    """Number the values of a column in the order in which they come, int64[N]; texts of any length together."""
    parts = [chunk.indices.to_numpy() for chunk in column.dictionary_encode().chunks]  # of one dictionary
    return np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64)
