"""What finished shards hold, as arrays: out of the notes of a run, or out of the index that was published before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.shards.write.build_shard import ShardNote
from egocurate.storage.parquet import table_pieces
from egocurate.storage.paths import AnyPath

MEMBER_COLUMNS = ("offsets", "sizes", "crc32")
NUMBERS = {"frame_count": np.int32, "fps": np.float64}


@dataclass(frozen=True)
class ShardContent:
    """The samples of a shard, by column, and its clips that failed as (key, reason, detail)."""

    bytes: int
    sha256: str
    keys: list[str]
    counts: np.ndarray  # int64[samples]: members of each
    members: dict[str, np.ndarray]  # int64[members]: json first, then the video or its frames
    numbers: dict[str, np.ndarray]
    failed: Sequence[Sequence[str]]

    @classmethod
    def of_note(cls, note: ShardNote) -> ShardContent:
        """Return what a note says."""
        counts = np.array([len(sizes) for sizes in note.sizes], np.int64)
        members = {name: np.fromiter(chain.from_iterable(getattr(note, name)), np.int64) for name in MEMBER_COLUMNS}
        numbers = {name: np.array(getattr(note, name), kind) for name, kind in NUMBERS.items()}
        return cls(note.bytes, note.sha256, note.keys, counts, members, numbers, note.failed)


def published_contents(index: AnyPath, entries: Sequence[dict]) -> Iterator[ShardContent]:
    """Yield what each shard holds by the index and the entries of the manifest, failures apart, in one pass over it.

    Raises InputError for an index with other numbers of samples.
    """
    pieces = table_pieces(index, ["shard", "key", *MEMBER_COLUMNS, *NUMBERS])
    rest: pa.Table | None = None
    for shard, entry in enumerate(entries):
        while rest is None or len(rest) < entry["samples"]:
            piece = next(pieces, None)
            if piece is None:
                break
            rest = piece if rest is None else pa.concat_tables([rest, piece])
        rows = None if rest is None else rest.slice(0, entry["samples"])
        if rows is None or len(rows) < entry["samples"] or not (rows["shard"].to_numpy() == shard).all():
            raise InputError(f"{index} does not fit its manifest: run `curate verify --repair`")
        rest = rest.slice(entry["samples"])
        lists = {name: rows[name].combine_chunks() for name in MEMBER_COLUMNS}
        yield ShardContent(
            bytes=entry["bytes"],
            sha256=entry["sha256"],
            keys=rows["key"].to_pylist(),
            counts=lists["sizes"].value_lengths().to_numpy().astype(np.int64),
            members={name: column.flatten().to_numpy() for name, column in lists.items()},
            numbers={name: rows[name].to_numpy().astype(kind) for name, kind in NUMBERS.items()},
            failed=[],
        )
