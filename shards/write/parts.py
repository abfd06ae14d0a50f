"""Of which parts a shard folder consists: what is planned at one time is a part, and no part changes afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.shards.write.plan_digests import text_digest

NOT_ON_DISK = -1
"""What stands for the bytes of a video that is not there."""


@dataclass(frozen=True)
class Part:
    """Clips that were planned together: those of `videos` that no earlier part has, and `again`.

    `videos` has the bytes of each video when it was cut, or NOT_ON_DISK. Clips that came into the table later, with a
    larger clip_idx than `last_clip_idx`, are not of this part. `again` has clips of earlier parts that could not be
    cut there, by video: their keys, or None for all clips of the video. `planned` is a digest of each thing that
    decides the bytes of the part's shards, by its name; it is empty until the part is laid out.
    """

    videos: dict[str, int]
    last_clip_idx: int
    again: dict[str, list[str] | None] = field(default_factory=dict)
    shards: int = 0
    planned: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """One digest of all that was planned: equal plans give equal bytes."""
        return text_digest(self.planned)

    def to_json(self) -> dict:
        """Return the part as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping) -> Part:
        """Read a part back; raises ValueError for what is none."""
        if not isinstance(values, Mapping) or values.keys() != {field.name for field in fields(cls)}:
            raise ValueError("a part has not what parts have")
        part = cls(**values)
        if not (_maps(part.videos, _is_count) and _maps(part.planned, _is_text)):
            raise ValueError("a part has videos or a plan that are none")
        if not _maps(part.again, lambda keys: keys is None or (isinstance(keys, list) and all(map(_is_text, keys)))):
            raise ValueError("a part tries clips again that are none")
        if not (_is_count(part.last_clip_idx) and _is_count(part.shards) and part.shards >= 0):
            raise ValueError("a part has counts that are none")
        return part


def _maps(values: object, is_right: Callable[[object], bool]) -> bool:
    return isinstance(values, dict) and all(_is_text(key) and is_right(value) for key, value in values.items())


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and NOT_ON_DISK <= value < 1 << 63


def parts_fingerprint(fingerprints: Sequence[str]) -> str:
    """Return one digest of a folder's parts, given that of each; of a folder that never grew it is its part's own."""
    return fingerprints[0] if len(fingerprints) == 1 else text_digest(list(fingerprints))


def claimed_rows(clips: pa.Table, parts: Sequence[Part]) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the rows int64[n] of a clip table that each part plans, and the last part int64[N] of each row (-1: none).

    A clip that is tried again is in two parts, and only the last of them may hold it.
    """
    last_part = np.full(len(clips), -1)
    clip_idx = clips["clip_idx"].to_numpy()
    rows = []
    for number, part in enumerate(parts):
        new = (last_part < 0) & (clip_idx <= part.last_clip_idx) & _is_in(clips["video_uid"], part.videos)
        whole = [uid for uid, keys in part.again.items() if keys is None]
        keys = [key for keys in part.again.values() for key in keys or ()]
        planned = new | _is_in(clips["video_uid"], whole) | _is_in(clips["key"], keys)
        last_part[planned] = number
        rows.append(np.flatnonzero(planned))
    return rows, last_part


def new_part(
    clips: pa.Table,
    sizes: Mapping[str, int],
    parts: Sequence[Part],
    failed: Mapping[str, Collection[str]],
    retry: bool = False,
) -> Part | None:
    """Return the part that a folder of `parts` lacks: the clips of no part, and those to try again; None for none.

    `sizes` has the bytes of each video, or NOT_ON_DISK: clips of such videos wait. `failed` has the keys that could not
    be cut, by video; they are tried again if the video has other bytes than at that time or, with `retry`, is there.
    """
    _, last_part = claimed_rows(clips, parts)
    unclaimed = pc.unique(clips["video_uid"].filter(pa.array(last_part < 0))).to_pylist()
    new = {uid for uid in unclaimed if sizes[uid] != NOT_ON_DISK}
    counts = {row["values"]: row["counts"] for row in pc.value_counts(clips["video_uid"]).to_pylist()} if failed else {}
    again: dict[str, list[str] | None] = {}
    for uid in sorted(failed):
        was = next((part.videos[uid] for part in reversed(parts) if uid in part.videos), NOT_ON_DISK)
        now = sizes.get(uid, NOT_ON_DISK)
        if now != NOT_ON_DISK and (retry or now != was):
            again[uid] = None if len(failed[uid]) == counts[uid] else sorted(failed[uid])
    if not new and not again:
        return None
    videos = {uid: sizes[uid] for uid in sorted(new | again.keys())}
    return Part(videos, int(pc.max(clips["clip_idx"]).as_py()), again)


def _is_in(column: pa.ChunkedArray, values: Collection[str]) -> np.ndarray:
    return pc.is_in(column, value_set=pa.array(list(values), pa.string())).to_numpy()
