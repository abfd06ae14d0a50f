"""Bytes out of the shards of a folder: from a cache of whole shards where there is one, else from where they lie."""

from collections.abc import Sequence

from egocurate.errors import InputError
from egocurate.shards.read.open_files import OpenFiles
from egocurate.shards.read.shard_cache import ShardCache, StoredShard


class ShardReader:
    """Reads ranges of shards by their numbers; safe to use from several threads and after a fork."""

    def __init__(self, shards: Sequence[StoredShard], cache: ShardCache | None = None) -> None:
        """Read these shards, through a cache if they are in a store and one is given."""
        self.shards, self.cache = shards, cache
        self._files = OpenFiles()
        self._fetched_again: set[int] = set()

    def read(self, shard: int, size: int, offset: int) -> bytes:
        """Return `size` bytes of a shard at an offset; raises InputError if it is gone or ends before, StoreError."""
        stored = self.shards[shard]
        try:
            data = self.cache.read(stored, size, offset) if self.cache else None
            if data is None:
                data = self._files.read(stored.path, size, offset)
        except FileNotFoundError as error:
            raise InputError(
                f"{stored.path} is not there: write the shards again, only what is missing is cut"
            ) from error
        if len(data) == size:
            return data
        if self.fetch_again(shard):
            return self.read(shard, size, offset)
        raise InputError(
            f"{stored.path} ends before byte {offset + size} of its index: delete it and write the shards again"
        )

    def fetch(self, shard: int) -> None:
        """Have a shard in the cache before it is read, if there is a cache and room; raises StoreError."""
        if self.cache is not None:
            self.cache.fetch(self.shards[shard])

    def fetch_again(self, shard: int) -> bool:
        """Let the next read fetch a shard anew, as its copy is damaged; False without a cache, or the second time."""
        if self.cache is None or shard in self._fetched_again:
            return False
        self._fetched_again.add(shard)
        self.cache.drop(self.shards[shard])
        return True
