"""Bytes out of the shards of a folder: from a cache of whole shards where there is one, else from where they lie."""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

from egocurate.errors import InputError, StoreError
from egocurate.shards.read.open_files import OpenFiles
from egocurate.shards.read.shard_cache import ShardCache, StoredShard

READS = 5
"""how often bytes are read that differ each time, until the store is held to be at fault"""


class Span(NamedTuple):
    """Where a member of a sample stands in its shard, in bytes, and the checksum of what was written there."""

    offset: int
    size: int
    crc32: int


class ShardReader:
    """Reads members of shards by their numbers; safe to use from several threads and after a fork."""

    def __init__(self, shards: Sequence[StoredShard], cache: ShardCache | None = None) -> None:
        """Read these shards, through a cache if they are in a store and one is given."""
        self.shards, self.cache = shards, cache
        self._files = OpenFiles()
        self._fetched_again: set[int] = set()

    def read(self, shard: int, spans: Sequence[Span]) -> list[bytes]:
        """Return the members of a shard that stand in some spans, as they were written.

        Wrong bytes may be those of one read, of a damaged copy, or of the store. Only the last are the same in all
        processes: so they are wrong, an InputError, once they have come twice; a store that gives others each time is a
        StoreError, which nobody takes for a bad sample. Raises InputError too if the shard is gone or ends before.
        """
        before = None
        for attempt in range(READS):
            members = [self._read(shard, span, anew=attempt > 0) for span in spans]
            if all(map(_is_sound, spans, members)):
                return members
            if members == before:
                raise InputError(self._damage(shard, spans, members))
            before = members
        raise StoreError(
            f"{self.shards[shard].path}: the same place has other bytes each of {READS} times that it is read; check "
            "the network and the disks of the store, and run the same command again"
        )

    def fetch(self, shard: int) -> None:
        """Have a shard in the cache before it is read, if there is a cache and room; raises StoreError."""
        if self.cache is not None:
            self.cache.fetch(self.shards[shard])

    def _read(self, shard: int, span: Span, anew: bool) -> bytes:
        stored = self.shards[shard]
        try:
            data = self.cache.read(stored, span.size, span.offset) if self._is_cached(shard, anew) else None
            return self._files.read(stored.path, span.size, span.offset) if data is None else data
        except FileNotFoundError as error:
            way_out = "write the shards again, only what is missing is cut" if stored.is_own else "bring the tar back"
            raise InputError(f"{stored.path} is not there: {way_out}") from error

    def _is_cached(self, shard: int, anew: bool) -> bool:
        """Tell whether to read from the cache: a damaged copy is fetched anew once, then the store itself is read."""
        if self.cache is None or not anew:
            return self.cache is not None
        if shard in self._fetched_again:
            return False
        self._fetched_again.add(shard)
        return self.cache.drop(self.shards[shard])

    def _damage(self, shard: int, spans: Sequence[Span], members: Sequence[bytes]) -> str:
        for span, data in zip(spans, members, strict=True):
            if len(data) < span.size:
                end = span.offset + span.size
                stored = self.shards[shard]
                way_out = "delete it and write the shards again" if stored.is_own else "bring the whole tar back"
                return f"{stored.path} ends before byte {end} of its index: {way_out}"
        return "its bytes are not those that were written"


def _is_sound(span: Span, data: bytes) -> bool:
    # Not all damage stops a decoder; some show a gray smear and go on.
    return len(data) == span.size and zlib.crc32(data) == span.crc32
