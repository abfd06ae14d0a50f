"""Which clip goes into which shard, and under which name: pure functions over arrays."""

import numpy as np
import pyarrow as pa


def shard_order(clips: pa.Table) -> np.ndarray:
    """Return the rows int64[N] of a clip table in shard order: by video, neighbourhood, start, key."""
    by = [("video_uid", "ascending"), ("neighbourhood", "ascending"), ("clip_start", "ascending"), ("key", "ascending")]
    columns = clips.select([name for name, _ in by])
    return columns.append_column("row", pa.array(np.arange(len(clips)))).sort_by(by)["row"].to_numpy()


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
