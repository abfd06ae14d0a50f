"""Whether shards store clips as large as they are to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from egocurate.shards.profiles import PROFILES
from egocurate.shards.read.index import ShardIndex


def enlarged(indexes: Sequence[ShardIndex], size: int) -> Iterator[str]:
    """Yield a line for each folder whose pictures are smaller than `size` pixels, and so are enlarged."""
    fitting = [name for name, one in PROFILES.items() if one.short_side and one.short_side >= size]
    name = min(fitting, key=lambda name: PROFILES[name].short_side or 0, default="native")
    for index in indexes:
        stored = index.manifest["profile"].get("short_side")  # none: as large as the source
        if isinstance(stored, int) and stored < size:
            yield (
                f"{index.folder} stores {stored} pixels and {size} are read: its clips are enlarged; "
                f"`curate shards --profile {name}` stores as many"
            )
