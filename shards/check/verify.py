"""Check a shard folder against its manifest and index, and name every clip whose bytes are not what was written."""

import hashlib
import tarfile
import zlib
from dataclasses import dataclass

import numpy as np

from egocurate.progress import Report, silent
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import check_frames
from egocurate.shards.shard_format import FAILED_FILE
from egocurate.shards.write.tar import BLOCK, member_header
from egocurate.storage.paths import AnyPath, Bytes, whole_file

STAGE = "verifying shards"


@dataclass(frozen=True)
class Problem:
    """Something wrong: in which shard (file name), with which clip (None: not of one clip), and what."""

    shard: str
    key: str | None
    what: str

    def __str__(self) -> str:
        """Read as one line."""
        return f"{self.shard}: {self.key + ': ' if self.key else ''}{self.what}"


def verify(folder: str | AnyPath, decode: int = 8, report: Report = silent) -> list[Problem]:
    """Return the problems of a shard folder: missing, cut or changed tars, an index that does not fit, broken videos.

    `decode` clips, evenly spread, are decoded whole. Raises InputError if there is no readable manifest or index.
    """
    index = ShardIndex.open(folder)
    entries = index.manifest["shards"]
    bounds = np.searchsorted(index.shard, np.arange(len(entries) + 1))
    problems: list[Problem] = []
    for shard, entry in enumerate(entries):
        report(STAGE, shard, len(entries))
        problems += _check_shard(index, entry, range(bounds[shard], bounds[shard + 1]))
    report(STAGE, len(entries), len(entries))
    if index.manifest["failed"] and not (index.folder / FAILED_FILE).is_file():
        problems.append(Problem(FAILED_FILE, None, "is not there, though the manifest counts failed clips"))
    if problems or not len(index):
        return problems
    chosen = np.unique(np.linspace(0, len(index) - 1, min(decode, len(index))).astype(int))
    return [problem for sample in chosen for problem in _check_clip(index, int(sample))]


def _check_shard(index: ShardIndex, entry: dict, samples: range) -> list[Problem]:
    path = index.folder / entry["file"]
    if not path.is_file():
        return [Problem(path.name, None, "is not there")]
    size = path.stat().st_size
    if size != entry["bytes"]:
        return [Problem(path.name, None, f"has {size} bytes, the manifest says {entry['bytes']}")]
    if len(samples) != entry["samples"]:
        what = f"the index has {len(samples)} samples of it, the manifest says {entry['samples']}"
        return [Problem(path.name, None, what)]
    with whole_file(path) as data:
        changed = [problem for sample in samples for problem in _check_members(index, data, path.name, sample)]
        if not changed and hashlib.sha256(data).hexdigest() != entry["sha256"]:
            changed = [Problem(path.name, None, "bytes between the clips have changed")]
    return changed


def _check_members(index: ShardIndex, data: Bytes, shard: str, sample: int) -> list[Problem]:
    key, names, spans = index.key(sample), index.member_names(sample), index.spans(sample)
    if len(names) != len(spans):
        return [Problem(shard, key, f"the index has {len(spans)} members of it, its frame count says {len(names)}")]
    problems = []
    for name, (offset, size), crc32 in zip(names, spans, index.crc32(sample), strict=True):
        if data[max(0, offset - BLOCK) : offset] != member_header(name, size):
            problems.append(
                Problem(shard, key, f"the tar has no member {name} where the index says: {_member_at(data, offset)}")
            )
        elif zlib.crc32(data[offset : offset + size]) != crc32:
            problems.append(Problem(shard, key, f"the bytes of {name} have changed"))
    return problems


def _member_at(data: Bytes, offset: int) -> str:
    """Say which member's content begins at an offset of a tar, or why none does."""
    try:
        return f"{tarfile.TarInfo.frombuf(data[offset - BLOCK : offset], 'ascii', 'replace').name} stands there"
    except tarfile.HeaderError as error:
        return str(error)


def _check_clip(index: ShardIndex, sample: int) -> list[Problem]:
    bad = check_frames(index, sample)
    shard = index.row(sample).shard_path.name
    return [] if bad is None else [Problem(shard, bad.key, f"does not decode as it was written: {bad.reason}")]
