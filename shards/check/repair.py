"""Repair a shard folder: cut again what is broken, keep what is whole, write index and manifest anew from the tars."""

import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.errors import InputError
from egocurate.progress import Report, silent
from egocurate.shards.check.tar_evidence import Evidence
from egocurate.shards.check.verify import find_problems
from egocurate.shards.manifest import read_manifest
from egocurate.shards.shard_format import FORMAT, INDEX_FILE, MANIFEST_FILE, PARTS_KEY
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
from egocurate.shards.write.tar import BLOCK
from egocurate.shards.write.write_shards import finish_folder
from egocurate.storage.parquet import parquet_file
from egocurate.storage.paths import TAR_BYTES, AnyPath, as_path, file_sizes, make_folder, read_bytes, remove_folder

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
        if manifest is not None and not _has_problems(folder, manifest, report):
            if len(manifest["shards"]) == folder.plan.shards:
                folder.close()  # a run that was killed when all was done has left its notes
            return Repaired([], False, None)
        with _notes_removed_unless_needed(folder):
            broken = _note_whole_shards(folder, manifest, report)
            if not known:
                _refuse_grown(folder, broken)
            folder.refuse_changed_videos(broken)
        # In this order, so that a repair that is killed can be begun again: the manifest goes last.
        for shard in broken:
            folder.note(shard).unlink(missing_ok=True)
            folder.tar(shard).unlink(missing_ok=True)
        folder.reopen()
        summary = finish_folder(folder, lock, report, began)
    return Repaired([folder.tar(shard).name for shard in broken], True, summary)


@contextmanager
def _notes_removed_unless_needed(folder: ShardFolder) -> Iterator[None]:
    """Remove the notes of a look at a folder that does not come to its end, if no run before has left its own."""
    is_ours = not folder.unfinished.exists()
    make_folder(folder.unfinished)
    try:
        yield
    except BaseException:
        if is_ours:
            remove_folder(folder.unfinished)
        raise


def _note_whole_shards(folder: ShardFolder, manifest: dict | None, report: Report) -> list[int]:
    """Write a note for every shard that is whole, and return the others; raises InputError for a folder of other clips.

    Notes go to the disk one by one: those of millions of clips would take gigabytes.
    """
    evidence, shards = Evidence.of(folder, manifest), folder.plan.shards
    broken = []
    for shard in range(shards):
        report(STAGE, shard, shards)
        note = evidence.note(folder, shard)
        if note is None:
            broken.append(shard)
        else:
            note.write(folder.note(shard))
    report(STAGE, shards, shards)
    if manifest is None and len(broken) == shards and any(name.endswith(".tar") for name in file_sizes(folder.out)):
        raise InputError(f"{folder.out}: none of its tars holds clips of this job; give the options it was cut with")
    return broken


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
    first_keys = {shard: _first_key(folder.tar(shard)) for shard in broken}
    row_of = _planned_rows(folder.plan, [key for key in first_keys.values() if key is not None])
    for shard, key in first_keys.items():
        row = row_of.get(key)
        if row is not None and not folder.plan.bounds[shard] <= row < folder.plan.bounds[shard + 1]:
            raise InputError(
                f"{folder.tar(shard)} is whole but of another plan: this folder has grown, and of which parts it is "
                f"only {MANIFEST_FILE} or {INDEX_FILE} tells; cut into another folder"
            )


def _planned_rows(plan: ShardPlan, keys: list[str]) -> dict[str, int]:
    """Return where the plan has the clips of some keys; not those that it has not."""
    place = np.full(len(plan.clips.table), -1)
    place[plan.clips.rows] = np.arange(len(plan.clips))
    column = plan.clips.table["key"]
    found = pc.indices_nonzero(pc.is_in(column, value_set=pa.array(keys, pa.string()))).to_pylist()
    return {column[row].as_py(): int(place[row]) for row in found if place[row] >= 0}


def _first_key(tar: AnyPath) -> str | None:
    try:
        data = read_bytes(tar, TAR_BYTES)
        size = tarfile.TarInfo.frombuf(data[:BLOCK], "ascii", "strict").size
        return json.loads(data[BLOCK : BLOCK + size])["key"]
    except (FileNotFoundError, tarfile.HeaderError, ValueError, KeyError, TypeError):
        return None


def _manifest_at(folder: AnyPath) -> dict | None:
    try:
        return read_manifest(folder)
    except InputError:
        if MANIFEST_FILE in file_sizes(folder) and _is_of_another_version(read_bytes(folder / MANIFEST_FILE)):
            raise
        return None


def _is_of_another_version(text: bytes) -> bool:
    try:
        return json.loads(text).get("format", FORMAT) != FORMAT
    except (ValueError, AttributeError):
        return False


def _has_problems(folder: ShardFolder, manifest: dict, report: Report) -> bool:
    """Tell whether anything is wrong with a folder; one problem is enough, and a tar that is gone is seen at once."""
    sizes = file_sizes(folder.out)
    if any(sizes.get(entry["file"]) != entry["bytes"] for entry in manifest["shards"]):
        return True
    try:
        return any(True for _ in find_problems(folder.out, decode=0, report=report))
    except InputError:
        return True  # The index cannot be read, or counts otherwise than the manifest.
