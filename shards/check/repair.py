"""Repair a shard folder: cut again what is broken, keep what is whole, write index and manifest anew from the tars."""

import hashlib
import json
import tarfile
import time
import zlib
from dataclasses import dataclass

import pyarrow as pa

from egocurate.errors import InputError
from egocurate.progress import Report, silent
from egocurate.shards.check.verify import verify
from egocurate.shards.manifest import read_manifest
from egocurate.shards.shard_format import FAILED_FILE, INDEX_FILE, MANIFEST_FILE, PARTS_KEY, member_suffixes
from egocurate.shards.video.count_frames import count_frames
from egocurate.shards.video.cut import EncodedClip
from egocurate.shards.video.decoder_protocol import DecodeError
from egocurate.shards.write.build_shard import ShardNote, sample_json
from egocurate.shards.write.job import (
    CheckedJob,
    ShardJob,
    ShardPlan,
    ShardSummary,
    check_job,
    grown_parts,
    plan_parts,
    refuse_without_videos,
)
from egocurate.shards.write.parts import Part
from egocurate.shards.write.shard_folder import ShardFolder, known_parts, locked_folder
from egocurate.shards.write.tar import BLOCK, member_header
from egocurate.shards.write.write_shards import finish_folder
from egocurate.storage.parquet import parquet_file, read_parquet
from egocurate.storage.paths import AnyPath, as_path, file_sizes, read_bytes

STAGE = "reading shards"


@dataclass(frozen=True)
class Repaired:
    """File names of the shards that were cut again, whether the tables were written anew, and what there is now."""

    shards: list[str]
    tables: bool
    summary: ShardSummary | None


def repair(job: ShardJob, report: Report = silent) -> Repaired:
    """Bring the folder of a job back to the bytes that the job writes; shards that are whole are not touched.

    A shard is whole if its bytes are those of the manifest; without a readable manifest, if it holds the clips of the
    plan and their videos have the index's checksums or, without an index, decode. `summary` is None where nothing was
    broken. Raises InputError for a folder of another job, and as `write_shards`.
    """
    began = time.monotonic()
    checked = check_job(job)
    with locked_folder(as_path(job.out)) as lock:
        manifest = _manifest_at(as_path(job.out))
        known = _parts(checked, manifest)
        if not known:
            refuse_without_videos(checked)
        # Of a folder without any trace of its parts it is taken that it never grew.
        folder = ShardFolder(job, plan_parts(checked, known or grown_parts(checked, (), {})))
        if manifest is not None and not _problems(folder, report):
            return Repaired([], False, None)
        evidence = _Evidence.of(folder, manifest)
        notes: dict[int, ShardNote] = {}
        for shard in range(folder.plan.shards):
            report(STAGE, shard, folder.plan.shards)
            note = evidence.note(folder, shard)
            if note is not None:
                notes[shard] = note
        report(STAGE, folder.plan.shards, folder.plan.shards)
        if manifest is None and not notes and any(name.endswith(".tar") for name in file_sizes(folder.out)):
            raise InputError(
                f"{folder.out}: none of its tars holds clips of this job; give the options it was cut with"
            )
        broken = [shard for shard in range(folder.plan.shards) if shard not in notes]
        if not known:
            _refuse_grown(folder, broken)
        folder.refuse_changed_videos(broken)
        # In this order, so that a repair that is killed can be begun again: the manifest goes last.
        for shard in broken:
            folder.tar(shard).unlink(missing_ok=True)
        folder.reopen(notes.items())
        summary = finish_folder(folder, lock, report, began)
    return Repaired([folder.tar(shard).name for shard in broken], True, summary)


def settings_of(folder: str | AnyPath) -> dict[str, object] | None:
    """Return what a folder was cut with: `name`, `profile` (its name), `clips_per_shard` and its classes.

    None if the manifest cannot be read: then they must be given.
    """
    manifest = _manifest_at(as_path(folder))
    if manifest is None:
        return None
    own = {name: manifest[name] for name in ("name", "num_verbs", "num_nouns")} | {
        "lexicon": manifest.get("lexicon", "")
    }
    per_shard = int(manifest["planned"]["clips per shard"])
    return own | {"profile": manifest["profile"]["name"], "clips_per_shard": per_shard}


@dataclass(frozen=True)
class _Evidence:
    """What is left to judge tars by: the manifest's entries, the index's checksums, the reasons of failures, by key."""

    entries: dict[str, dict]
    crc32: dict[str, list[int]]
    failed: dict[str, tuple[str, str]]

    @classmethod
    def of(cls, folder: ShardFolder, manifest: dict | None) -> "_Evidence":
        entries = {entry["file"]: entry for entry in manifest["shards"]} if manifest else {}
        index = _table(folder.out / INDEX_FILE, ["key", "crc32"])
        failed = _table(folder.out / FAILED_FILE, ["key", "reason", "detail"])
        return cls(
            entries,
            {row["key"]: row["crc32"] for row in index},
            {row["key"]: (row["reason"], row["detail"]) for row in failed},
        )

    def note(self, folder: ShardFolder, shard: int) -> ShardNote | None:
        """Return the note of a shard, None unless it is whole."""
        path, plan = folder.tar(shard), folder.plan
        try:
            data = read_bytes(path)
        except FileNotFoundError:
            return None
        sha256 = hashlib.sha256(data).hexdigest()
        entry = self.entries.get(path.name)
        if entry is not None and entry["sha256"] != sha256:
            return None
        kind = folder.job.profile.codec.members
        note = note_of_tar(data, plan, shard, kind)
        if note is None or (entry is None and not self._videos_are_whole(data, note, kind)):
            return None
        written = set(note.keys)
        lost = [key for key in plan.rows(shard)["key"].to_pylist() if key not in written]
        if any(key not in self.failed for key in lost):
            # Why they are not there can only be told by trying again.
            return None
        note.failed = [[key, *self.failed[key]] for key in lost]
        note.bytes, note.sha256 = len(data), sha256
        return note

    def _videos_are_whole(self, data: bytes, note: ShardNote, kind: str) -> bool:
        for key, offsets, sizes, crc32, frames in zip(
            note.keys, note.offsets, note.sizes, note.crc32, note.frame_count, strict=True
        ):
            if key in self.crc32:
                if self.crc32[key] != crc32:
                    return False
            else:
                members = [data[at : at + size] for at, size in zip(offsets[1:], sizes[1:], strict=True)]
                if not _hold(members, kind, frames):
                    return False
        return True


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


def _parts(checked: CheckedJob, manifest: dict | None) -> tuple[Part, ...]:
    """Return the parts of a folder by its manifest and its plan file or, without both, by its index."""
    out = as_path(checked.job.out)
    known = known_parts(checked) if manifest is not None or not (out / MANIFEST_FILE).exists() else ()
    if known or not (out / INDEX_FILE).exists():
        return known
    try:
        with parquet_file(out / INDEX_FILE) as file:
            kept = (file.schema_arrow.metadata or {}).get(PARTS_KEY.encode(), b"[]")
    except (OSError, pa.ArrowException):
        return ()
    try:
        return tuple(Part.from_json(values) for values in json.loads(kept))
    except (ValueError, TypeError):  # an index that is broken, too
        return ()


def _refuse_grown(folder: ShardFolder, broken: list[int]) -> None:
    """Raise InputError if a tar begins with a clip that the plan has elsewhere: its folder is of more than one part."""
    clips = folder.plan.clips
    keys = dict(zip(clips["key"].to_pylist(), range(len(clips)), strict=True))
    for shard in broken:
        row = keys.get(_first_key(folder.tar(shard)))
        if row is not None and not folder.plan.bounds[shard] <= row < folder.plan.bounds[shard + 1]:
            raise InputError(
                f"{folder.tar(shard)} is whole but of another plan: this folder has grown, and of which parts it is "
                f"only {MANIFEST_FILE} or {INDEX_FILE} tells; cut into another folder"
            )


def _first_key(tar: AnyPath) -> str | None:
    try:
        data = read_bytes(tar)
        size = tarfile.TarInfo.frombuf(data[:BLOCK], "ascii", "strict").size
        return json.loads(data[BLOCK : BLOCK + size])["key"]
    except (FileNotFoundError, tarfile.HeaderError, ValueError, KeyError, TypeError):
        return None


def _manifest_at(folder: AnyPath) -> dict | None:
    try:
        return read_manifest(folder)
    except InputError:
        if MANIFEST_FILE in file_sizes(folder) and _has_format(read_bytes(folder / MANIFEST_FILE)):
            raise
        return None


def _has_format(text: bytes) -> bool:
    try:
        return "format" in json.loads(text)
    except (ValueError, TypeError):
        return False


def _problems(folder: ShardFolder, report: Report) -> bool:
    try:
        return bool(verify(folder.out, decode=0, report=report))
    except InputError:
        return True  # The index cannot be read, or counts otherwise than the manifest.


def _table(path: AnyPath, columns: list[str]) -> list[dict]:
    """Return the rows of a parquet file, none if it is absent or broken."""
    try:
        return read_parquet(path).select(columns).to_pylist()
    except (OSError, KeyError, InputError, pa.ArrowException):
        return []
