"""Videos that show the same scene, from the sets that were filmed together."""

from collections.abc import Iterable, Sequence

import numpy as np


def scene_ids(videos: Sequence[str], together: Iterable[Sequence[str]]) -> np.ndarray:
    """Return a scene number per video, int64[N]: the row of the first video it is connected with through the sets.

    A video may be in several sets, and a set may name videos that are not listed: those still connect the others.
    """
    parent: dict[str, str] = {}

    def root(uid: str) -> str:
        parent.setdefault(uid, uid)
        while parent[uid] != uid:
            parent[uid] = parent[parent[uid]]
            uid = parent[uid]
        return uid

    for group in together:
        for uid in group[1:]:
            parent[root(uid)] = root(group[0])
    first: dict[str, int] = {}
    return np.fromiter((first.setdefault(root(uid), row) for row, uid in enumerate(videos)), np.int64, len(videos))
