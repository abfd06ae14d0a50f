"""Shards of a store on a disk of this machine: whole, up to a limit, one copy for all its processes.

Each shard has a lock file: whoever holds the lock fetches, the others wait, and the lock of a process that is killed is
free. Locks are advisory ones of the file system (flock); there is no daemon, no shared memory with a name, no lock that
covers more than one shard. A shard takes its name when all of it is there and has the digest that the manifest says.

Others may have filled the folder, and it may be one that this process cannot write: then what is there is read, and the
rest comes from the store.

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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from egocurate.storage.digested_file import DigestedFile
from egocurate.storage.fetch import fetch_span
from egocurate.storage.paths import BUFFER_BYTES, AnyPath
from egocurate.storage.redacted import redacted
from egocurate.storage.shared_folder import (
    PART_SUFFIX,
    create_plain,
    is_plain,
    make_shared_folder,
    open_plain,
    part_of,
)

IN_USE_SEC = 60.0
"""a shard read or fetched within this time is in use: it is not evicted, what finds no room is read by ranges"""
CLOSED_SEC = 60.0
"""after a disk error, how long nothing is fetched"""
_LOCK_SUFFIX = ".lock"
_STATE = struct.Struct("d??")  # closed until when (monotonic); whether a full disk, a full cache were warned of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredShard:
    """A shard as the manifest knows it; the digest of its content names it in a cache."""

    path: AnyPath
    sha256: str
    bytes: int
    is_own: bool = True
    """whether it was cut here, and not adopted: what is lost of it can be cut again"""


class ShardCache:
    """A folder that all ranks and workers of a machine may share, kept at `limit` bytes or less."""

    def __init__(self, folder: str | Path, limit: int) -> None:
        """Nothing is made or read yet."""
        self.folder, self.limit = Path(folder), limit
        self._damaged: set[str] = set()  # digests of shards that are others in the store
        self._state = mmap.mmap(-1, _STATE.size)  # shared with processes that fork from this one

    def __reduce__(self) -> tuple:
        """Pickle as its settings."""
        return ShardCache, (self.folder, self.limit)

    def read(self, shard: StoredShard, size: int, offset: int) -> bytes | None:
        """Return up to `size` bytes at `offset`, fetching the shard if it is not there; None if it cannot be cached."""
        while self.fetch(shard):
            try:
                descriptor = open_plain(self.file(shard))
            except FileNotFoundError:
                continue  # evicted in between
            except OSError as error:
                self._close("read", error)
                return None
            try:
                with suppress(OSError):  # another user's file, or one that cannot be written: it is read all the same
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
        if is_plain(self.file(shard), shard.bytes):
            return True
        if shard.bytes > self.limit or shard.sha256 in self._damaged or self._closed_until() > time.monotonic():
            return False
        try:
            make_shared_folder(self.folder)
            with _locked(self.file(shard).with_suffix(_LOCK_SUFFIX)):
                return is_plain(self.file(shard), shard.bytes) or self._write(shard)
        except FileNotFoundError:
            return False  # not in the store: whoever reads it there will say so
        except OSError as error:
            self._close("written", error)
            return False

    def drop(self, shard: StoredShard) -> bool:
        """Remove a shard's copy, so that it is fetched again; False if it cannot be removed."""
        try:
            self.file(shard).unlink(missing_ok=True)
        except OSError:
            return False
        return True

    def file(self, shard: StoredShard) -> Path:
        """Return where a shard's copy stands, or will."""
        return self.folder / f"{shard.sha256}.tar"

    def _write(self, shard: StoredShard) -> bool:
        for _ in range(2):  # bytes may be wrong once on their way
            with _locked_part(self.folder) as (part, path):
                # Before the first byte, so that others see the room as taken and a full disk shows at once.
                os.posix_fallocate(part, 0, max(1, shard.bytes))
                if not self._make_room():
                    self._warn_once(
                        2,
                        f"{self.folder}: the {self.limit / 1e9:.3g} GB of the cache hold only shards in use; the "
                        "rest is read by ranges, which is slower: raise cache_bytes",
                    )
                    return False
                if _is_sound(shard, part):
                    path.rename(self.file(shard))
                    return True
        self._damaged.add(shard.sha256)
        log.warning(
            "%s is not the shard of its manifest, however it is read: it is not kept, and its sound clips are read by "
            "ranges; run `curate verify` on its folder",
            redacted(str(shard.path)),
        )
        return False

    def _make_room(self) -> bool:
        """Evict the least recently used shards until the limit is kept; False if those in use are too many."""
        used, files = 0, []
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if entry.name.endswith((PART_SUFFIX, _LOCK_SUFFIX)) and _evicted(Path(entry.path)):
                continue  # left by a process that was killed
            used += status.st_size
            if entry.name.endswith(".tar"):
                files.append((status.st_mtime, status.st_size, Path(entry.path)))
        oldest = time.time() - IN_USE_SEC
        for last_used, size, path in sorted(files):
            if used <= self.limit or last_used > oldest:
                break
            used -= size if _evicted(path) else 0
        return used <= self.limit

    def _closed_until(self) -> float:
        return _STATE.unpack_from(self._state)[0]

    def _close(self, done: str, error: OSError) -> None:
        _, *warned = _STATE.unpack_from(self._state)
        _STATE.pack_into(self._state, 0, time.monotonic() + CLOSED_SEC, *warned)
        way_out = "free some space or lower cache_bytes" if error.errno in _NO_SPACE else "name another cache_dir"
        self._warn_once(
            1,
            f"{self.folder}: the cache cannot be {done} ({error.strerror or error}); shards are read "
            f"from the store by ranges, which is slower: {way_out}",
        )

    def _warn_once(self, what: int, line: str) -> None:
        state = list(_STATE.unpack_from(self._state))
        if not state[what]:
            state[what] = True
            _STATE.pack_into(self._state, 0, *state)
            log.warning(line)


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


def _is_sound(shard: StoredShard, part: int) -> bool:
    """Write a shard to a descriptor and tell whether it is the one that the manifest knows."""
    with open(part, "wb", closefd=False) as file:
        whole = DigestedFile(file)
        for data in _pieces(shard):
            whole.write(data)
    return (whole.bytes, whole.sha256) == (shard.bytes, shard.sha256)


def _pieces(shard: StoredShard) -> Iterator[bytes]:
    """Yield a shard's bytes; a server that cannot send ranges sends all of them at once."""
    at = 0
    while at < shard.bytes:
        wanted = min(BUFFER_BYTES, shard.bytes - at)
        data = fetch_span(shard.path, at, wanted, whole=shard.bytes)
        yield data
        at += len(data)
        if len(data) != wanted:
            return  # all of it, or a file that ends early


@contextmanager
def _locked_part(folder: Path) -> Iterator[tuple[int, Path]]:
    """Give a new file that is locked, so that nobody who makes room takes it for one left behind."""
    while True:
        with part_of(folder) as (part, path):
            fcntl.flock(part, fcntl.LOCK_EX)
            try:
                if _is(path, part):  # else one that made room was faster
                    yield part, path
                    return
            finally:
                _unlock(part)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, made if absent; waits for who holds it."""
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _is(path, descriptor):
                continue  # removed by who held it
            try:
                yield
            finally:
                with suppress(OSError):  # another user's
                    path.unlink(missing_ok=True)
            return
        finally:
            _release(descriptor)


def _opened(path: Path) -> int:
    while True:
        try:
            return open_plain(path, os.O_RDWR)
        except PermissionError:
            return open_plain(path)  # another user's: a lock needs no more on a disk of this machine
        except FileNotFoundError:
            with suppress(FileExistsError):
                return create_plain(path)


def _evicted(path: Path) -> bool:
    """Remove a file that no process has locked, and tell whether it is gone."""
    try:
        descriptor = open_plain(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # no plain file, or another user's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(path, descriptor):
            path.unlink(missing_ok=True)
        return True
    except OSError:
        return False
    finally:
        _release(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _release(descriptor: int) -> None:
    _unlock(descriptor)
    os.close(descriptor)


def _unlock(descriptor: int) -> None:
    # Not left to closing: a process that forked meanwhile has a copy, and holds the same lock until it closes that.
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
