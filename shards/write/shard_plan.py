"""Which clip goes into which shard, and under which name: pure functions over arrays."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ORDERED_BY = ["video_uid", "neighbourhood", "clip_start", "key"]


def shard_order(clips: pa.Table) -> np.ndarray:
    """Return the rows int64[N] of a clip table in shard order: by video, neighbourhood, start, key."""
    by = [(name, "ascending") for name in ORDERED_BY]
    return pc.sort_indices(clips.select(ORDERED_BY), sort_keys=by).to_numpy().astype(np.int64)


def plan_shards(neighbourhood: np.ndarray, clips_per_shard: int) -> np.ndarray:
    """Return the shard int32[N] of each clip, given each one's neighbourhood, equal ones adjacent.

    Neighbourhoods are kept whole: a shard takes the next one while it stays within `clips_per_shard`, and one that is
    larger than that stands alone.
    """
    count = len(neighbourhood)
    starts = np.flatnonzero(np.diff(neighbourhood, prepend=neighbourhood[:1] - 1))
    sizes = np.diff(starts, append=count)
    shard_of = np.empty(len(starts), np.int32)
    shard, filled = 0, 0
    for i, size in enumerate(sizes.tolist()):
        if filled and filled + size > clips_per_shard:
            shard, filled = shard + 1, 0
        shard_of[i], filled = shard, filled + size
    return np.repeat(shard_of, sizes)
