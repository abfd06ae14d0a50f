"""Shards of a store on a disk of this machine: whole, up to a limit, one copy for all its processes.

A file is written under its `.part` name, which is also its lock: whoever holds the lock fetches, the others wait, and
the lock of a process that is killed is free. Locks are advisory ones of the file system (flock); there is no daemon, no
shared memory with a name, no lock that covers more than one shard.

Whole shards, not ranges: an epoch reads nearly every clip of a shard, so ranges save few bytes (none of an mp4 shard)
and cost a request per clip, or per frame. Ranges remain for what the cache cannot take.
"""

import errno
import fcntl
import logging
import mmap
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from egocurate.storage.paths import BUFFER_BYTES, AnyPath, read_range

IN_USE_SEC = 60.0
"""a shard read or fetched within this time is in use: it is not evicted, what finds no room is read by ranges"""
CLOSED_SEC = 60.0
"""after a disk error, how long nothing is fetched"""
_STATE = struct.Struct("d??")  # closed until when (monotonic); whether a full disk, a full cache were warned of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredShard:
    """A shard as the manifest knows it; the digest of its content names it in a cache."""

    path: AnyPath
    sha256: str
    bytes: int


class ShardCache:
    """A folder that all ranks and workers of a machine may share, kept at `limit` bytes or less."""

    def __init__(self, folder: str | Path, limit: int) -> None:
        """Nothing is made or read yet."""
        self.folder, self.limit = Path(folder), limit
        self._state = mmap.mmap(-1, _STATE.size)  # shared with processes that fork from this one

    def __reduce__(self) -> tuple:
        """Pickle as its settings."""
        return ShardCache, (self.folder, self.limit)

    def read(self, shard: StoredShard, size: int, offset: int) -> bytes | None:
        """Return up to `size` bytes at `offset`, fetching the shard if it is not there; None if it cannot be cached."""
        while self.fetch(shard):
            try:
                descriptor = os.open(self.file(shard), os.O_RDONLY)
            except FileNotFoundError:
                continue  # evicted in between
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                os.utime(descriptor)
                return os.pread(descriptor, size, offset)
            finally:
                _release(descriptor)
        return None

    def fetch(self, shard: StoredShard) -> bool:
        """Have a shard here, waiting while another process fetches it; False if the cache cannot take it.

        Raises StoreError if the store does not answer.
        """
        if self.file(shard).exists():
            return True
        if shard.bytes > self.limit or self._closed_until() > time.monotonic():
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._claimed(shard) as part:
                return part is None or self._write(shard, part)
        except FileNotFoundError:
            return False  # not in the store: whoever reads it there will say so
        except OSError as error:
            self._close(error)
            return False

    def drop(self, shard: StoredShard) -> None:
        """Remove a shard's copy, so that it is fetched again."""
        self.file(shard).unlink(missing_ok=True)

    def file(self, shard: StoredShard) -> Path:
        """Return where a shard's copy stands, or will."""
        return self.folder / f"{shard.sha256}.tar"

    @contextmanager
    def _claimed(self, shard: StoredShard) -> Iterator[int | None]:
        """Give the locked descriptor of an empty `.part` file; None if another process has fetched the shard."""
        part = self.file(shard).with_suffix(".part")
        descriptor = _locked(part)
        try:
            if self.file(shard).exists():
                part.unlink(missing_ok=True)
                yield None
                return
            try:
                os.ftruncate(descriptor, 0)
                yield descriptor
            finally:
                part.unlink(missing_ok=True)  # gone already if it was renamed
        finally:
            _release(descriptor)

    def _write(self, shard: StoredShard, part: int) -> bool:
        # Before the first byte, so that others see the room as taken and a full disk shows at once.
        os.posix_fallocate(part, 0, max(1, shard.bytes))
        if not self._make_room():
            self._warn_once(
                2,
                f"{self.folder}: the {self.limit / 1e9:.3g} GB of the cache hold only shards in use; the "
                "rest is read by ranges, which is slower: raise cache_bytes",
            )
            return False
        written = 0
        with open(part, "wb", closefd=False) as file:
            for data in _pieces(shard):
                file.write(data)
                written += len(data)
        os.ftruncate(part, written)
        self.file(shard).with_suffix(".part").rename(self.file(shard))
        return True

    def _make_room(self) -> bool:
        """Evict the least recently used shards until the limit is kept; False if those in use are too many."""
        used, files = 0, []
        for entry in os.scandir(self.folder):
            try:
                stat = entry.stat()
            except FileNotFoundError:
                continue
            if entry.name.endswith(".part") and _evicted(Path(entry.path)):
                continue  # left by a process that was killed
            used += stat.st_size
            if entry.name.endswith(".tar"):
                files.append((stat.st_mtime, stat.st_size, Path(entry.path)))
        oldest = time.time() - IN_USE_SEC
        for last_used, size, path in sorted(files):
            if used <= self.limit or last_used > oldest:
                break
            used -= size if _evicted(path) else 0
        return used <= self.limit

    def _closed_until(self) -> float:
        return _STATE.unpack_from(self._state)[0]

    def _close(self, error: OSError) -> None:
        _, *warned = _STATE.unpack_from(self._state)
        _STATE.pack_into(self._state, 0, time.monotonic() + CLOSED_SEC, *warned)
        way_out = "free some space or lower cache_bytes" if error.errno in _NO_SPACE else "name another cache_dir"
        self._warn_once(
            1,
            f"{self.folder}: the cache cannot be written ({error.strerror or error}); shards are read "
            f"from the store by ranges, which is slower: {way_out}",
        )

    def _warn_once(self, what: int, line: str) -> None:
        state = list(_STATE.unpack_from(self._state))
        if not state[what]:
            state[what] = True
            _STATE.pack_into(self._state, 0, *state)
            log.warning(line)


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def _pieces(shard: StoredShard) -> Iterator[bytes]:
    """Yield a shard's bytes; a server that cannot send ranges sends all of them at once."""
    at = 0
    while at < shard.bytes:
        wanted = min(BUFFER_BYTES, shard.bytes - at)
        data = read_range(shard.path, wanted, at)
        yield data
        at += len(data)
        if len(data) != wanted:
            return  # all of it, or a file that ends early: whoever reads by the index finds out


def _locked(path: Path) -> int:
    """Return a locked descriptor of the file of this name, made if absent; waits for who holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is(path, descriptor):
                return descriptor
        except BaseException:
            _release(descriptor)
            raise
        _release(descriptor)  # renamed or removed by who held it


def _evicted(path: Path) -> bool:
    """Remove a file that no process has locked, and tell whether it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(path, descriptor):
            path.unlink(missing_ok=True)
        return True
    except BlockingIOError:
        return False
    finally:
        _release(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(descriptor: int) -> None:
    # Unlocked here, not by closing: a process that forked meanwhile holds the same lock until it closes its copy.
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)
