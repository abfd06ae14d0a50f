"""Whether an index and its manifest belong together: every number in its range, every place inside its shard."""

from __future__ import annotations

from typing import Any

import numpy as np

from egocurate.shards.read.index_columns import ReadColumn, lists, numbers
from egocurate.shards.shard_format import MP4


def check_index(read_column: ReadColumn, manifest: dict[str, Any]) -> None:
    """Raise ValueError, naming the column, for an index that does not fit a manifest; both may be forged."""
    samples, shards = manifest["samples"], manifest["shards"]
    shard = numbers(read_column("shard"))
    if len(shard) != samples:
        raise ValueError(f"it has {len(shard)} samples, the manifest {samples}")
    if not np.array_equal(np.bincount(shard, minlength=len(shards)), [entry["samples"] for entry in shards]):
        raise ValueError("column shard counts otherwise than the manifest")
    if samples and (np.diff(shard) < 0).any():
        raise ValueError("column shard is out of order")
    frames, fps = numbers(read_column("frame_count")), numbers(read_column("fps"))
    if not ((frames > 0).all() and np.isfinite(fps).all() and (fps > 0).all()):
        raise ValueError("columns frame_count and fps are not positive throughout")
    offsets, sizes = lists(read_column("offsets")), lists(read_column("sizes"))
    members = 1 + (np.ones(samples, np.int64) if manifest["profile"].get("members", MP4) == MP4 else frames)
    for name, column in (("offsets", offsets), ("sizes", sizes), ("crc32", lists(read_column("crc32")))):
        if not np.array_equal(np.diff(column.offsets), members):
            raise ValueError(f"column {name} has not the members that frame_count says")
        if len(column.values) and column.values.min() < 0:
            raise ValueError(f"column {name} has a negative number")
    room = np.repeat(np.array([entry["bytes"] for entry in shards], np.int64)[shard], members)
    if (sizes.values > room).any() or (offsets.values > room - sizes.values).any():
        raise ValueError("columns offsets and sizes lead beyond a shard")
    for name, most in (
        ("negatives", samples),
        ("tag_verb", manifest["num_verbs"]),
        ("tag_noun", manifest["num_nouns"]),
    ):
        values = lists(read_column(name)).values
        if len(values) and not 0 <= values.min() <= values.max() < most:
            raise ValueError(f"column {name} has a number that is not among 0 to {most - 1}")
