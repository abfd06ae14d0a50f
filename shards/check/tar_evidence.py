"""Whether the tars of a folder are whole, judged by what is left to judge them by, and what each one holds."""

import hashlib
import json
import tarfile
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from egocurate.errors import InputError
from egocurate.shards.shard_format import FAILED_FILE, INDEX_FILE, member_suffixes
from egocurate.shards.video.count_frames import count_frames
from egocurate.shards.video.cut import EncodedClip
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.shards.write.build_shard import ShardNote, sample_json
from egocurate.shards.write.job import ShardPlan
from egocurate.shards.write.shard_folder import ShardFolder
from egocurate.shards.write.tar import BLOCK, member_header
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import TAR_BYTES, AnyPath, read_bytes


@dataclass(frozen=True)
class Evidence:
    """What is left to judge tars by: the manifest's entries, the index's checksums, the reasons of failures, by key."""

    entries: dict[str, dict]
    index: pa.Table
    failed: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, folder: ShardFolder, manifest: dict | None) -> "Evidence":
        """Gather it in a folder; no manifest is one that cannot be read."""
        entries = {entry["file"]: entry for entry in manifest["shards"]} if manifest else {}
        # Where the manifest has the digest of every tar, nobody asks the index.
        index = pa.table({"key": []}) if entries else _table(folder.out / INDEX_FILE, ["shard", "key", "crc32"])
        failed = _table(folder.out / FAILED_FILE, ["key", "reason", "detail"]).to_pylist()
        return cls(entries, index, {row["key"]: (row["reason"], row["detail"]) for row in failed})

    def note(self, folder: ShardFolder, shard: int) -> ShardNote | None:
        """Return the note of a shard, None unless it is whole."""
        path, plan = folder.tar(shard), folder.plan
        try:
            data = read_bytes(path, TAR_BYTES)
        except FileNotFoundError:
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        entry = self.entries.get(path.name)
        if entry is not None and entry["sha256"] != sha256:
            return None
        kind = folder.job.profile.codec.members
        note = note_of_tar(data, plan, shard, kind)
        if note is None or (entry is None and not self._videos_are_whole(data, note, shard, kind)):
            return None
        written = set(note.keys)
        lost = [key for key in plan.keys(shard) if key not in written]
        if any(key not in self.failed for key in lost):
            # Why they are not there can only be told by trying again.
            return None
        note.failed = [[key, *self.failed[key]] for key in lost]
        note.bytes, note.sha256 = len(data), sha256
        return note

    def _videos_are_whole(self, data: bytes, note: ShardNote, shard: int, kind: str) -> bool:
        known = self._crc32(shard)
        for key, offsets, sizes, crc32, frames in zip(
            note.keys, note.offsets, note.sizes, note.crc32, note.frame_count, strict=True
        ):
            if key in known:
                if known[key] != crc32:
                    return False
            else:
                members = [data[at : at + size] for at, size in zip(offsets[1:], sizes[1:], strict=True)]
                if not _hold(members, kind, frames):
                    return False
        return True

    def _crc32(self, shard: int) -> dict[str, list[int]]:
        """Return the checksums of the clips that the index has in a shard, by key."""
        if not len(self.index):
            return {}
        first, end = np.searchsorted(self.index["shard"].to_numpy(), [shard, shard + 1])
        return {row["key"]: row["crc32"] for row in self.index.slice(first, end - first).to_pylist()}


def note_of_tar(data: bytes, plan: ShardPlan, shard: int, members: str) -> ShardNote | None:
    """Return what a tar holds, without failures; None unless it is the archive of these clips, or of some of them."""
    rows = {row["key"]: row for row in plan.rows(shard).to_pylist()}
    order = {key: i for i, key in enumerate(rows)}
    note, at = ShardNote(), 0
    while any(data[at : at + BLOCK]):
        sample = _sample_at(data, at, rows, members)
        if sample is None or (note.keys and order[sample.key] <= order[note.keys[-1]]):
            return None
        note.keys.append(sample.key)
        note.offsets.append(sample.offsets)
        note.sizes.append(sample.sizes)
        note.crc32.append(
            [zlib.crc32(data[at : at + size]) for at, size in zip(sample.offsets, sample.sizes, strict=True)]
        )
        note.frame_count.append(sample.frame_count)
        note.fps.append(sample.fps)
        at = sample.end
    return note if data[at:] == bytes(2 * BLOCK) else None


@dataclass(frozen=True)
class _Sample:
    key: str
    offsets: list[int]
    sizes: list[int]
    frame_count: int
    fps: float
    end: int


def _sample_at(data: bytes, at: int, rows: dict[str, dict], members: str) -> _Sample | None:
    """Read the sample whose first header stands at `at`; None unless every byte but the video's is what it must be."""
    try:
        first = tarfile.TarInfo.frombuf(data[at : at + BLOCK], "ascii", "strict")
        text = data[at + BLOCK : at + BLOCK + first.size]
        content = json.loads(text)
        row = rows[content["key"]]
        clip = EncodedClip((), content["frame_count"], content["fps"], 0, 0)
        if sample_json(row, clip) != text:
            return None
        offsets, sizes = [], []
        for suffix in member_suffixes(members, clip.frame_count):
            size = tarfile.TarInfo.frombuf(data[at : at + BLOCK], "ascii", "strict").size
            padded = size + -size % BLOCK
            if data[at : at + BLOCK] != member_header(f"{row['key']}.{suffix}", size):
                return None
            if data[at + BLOCK + size : at + BLOCK + padded] != bytes(padded - size):
                return None
            offsets.append(at + BLOCK)
            sizes.append(size)
            at += BLOCK + padded
    except (tarfile.HeaderError, ValueError, KeyError, TypeError):
        return None
    return _Sample(row["key"], offsets, sizes, clip.frame_count, clip.fps, at)


def _hold(members: list[bytes], kind: str, frames: int) -> bool:
    try:
        return count_frames(members, kind) == frames
    except DecodeError:
        return False


def _table(path: AnyPath, columns: list[str]) -> pa.Table:
    """Return some columns of a parquet file, without rows if it is absent or broken."""
    try:
        return read_parquet(path, columns).select(columns)
    except (OSError, KeyError, InputError, pa.ArrowException):
        return pa.table({name: [] for name in columns})
