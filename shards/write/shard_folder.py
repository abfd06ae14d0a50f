"""The state of a shard folder: whose plan it holds, which shards are whole, who is writing in it."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from egocurate.errors import InputError
from egocurate.shards.shard_format import FAILED_FILE, FORMAT, INDEX_FILE, MANIFEST_FILE, shard_file
from egocurate.shards.write.build_shard import ShardNote
from egocurate.shards.write.job import ShardJob, ShardPlan
from egocurate.storage.atomic import TEMP_PREFIX, atomic_write
from egocurate.storage.lock import Lock, locked
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import (
    AnyPath,
    as_path,
    end_uploads,
    file_sizes,
    is_remote,
    make_folder,
    read_bytes,
    remove_folder,
)
from egocurate.storage.remote_lock import RemoteLockFile

UNFINISHED = ".unfinished"


def read_manifest(folder: str | AnyPath) -> dict:
    """Return manifest.json of a finished shard folder; raises InputError if it is none that this version reads."""
    path = as_path(folder) / MANIFEST_FILE
    try:
        manifest = json.loads(read_bytes(path))
        version = manifest["format"]
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there: {folder} is not a finished shard folder") from error
    except (ValueError, KeyError, TypeError, NotADirectoryError) as error:
        raise InputError(f"{path} is not a manifest ({error!r}): write the shards again") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version!r}, this version reads {FORMAT!r}")
    return manifest


@dataclass(frozen=True)
class ShardFolder:
    """The folder that one job writes."""

    job: ShardJob
    plan: ShardPlan

    @property
    def out(self) -> AnyPath:
        """The folder."""
        return as_path(self.job.out)

    @property
    def unfinished(self) -> AnyPath:
        """Sub-folder of notes about shards, there until the index is written."""
        return self.out / UNFINISHED

    def tar(self, shard: int) -> AnyPath:
        """Return the path of a shard."""
        return self.out / shard_file(self.job.name, shard)

    def note(self, shard: int) -> AnyPath:
        """Return the path of a shard's note."""
        return self.unfinished / f"{self.tar(shard).name}.json"

    def missing(self) -> list[int]:
        """Return the shards that are not whole."""
        tars, notes = file_sizes(self.out), file_sizes(self.unfinished)
        return [shard for shard in range(self.plan.shards) if not self._is_done(shard, tars, notes)]

    @contextmanager
    def locked(self) -> Iterator[Lock]:
        """Make the folder and keep other runs out of it; raises InputError if one is at work there."""
        make_folder(self.out)
        if not is_remote(self.out) and not os.access(self.out, os.W_OK):
            raise InputError(f"{self.out} may not be written to: choose another place for the shards")
        with locked(self.out, RemoteLockFile(self.out) if is_remote(self.out) else None) as lock:
            yield lock

    def open(self) -> bool:
        """Make the folder ready for this plan and tell whether it is finished already.

        Raises InputError if it holds shards of another plan. If shards of a finished folder are gone or have another
        size, the folder becomes an unfinished one, so that just those are written again.
        """
        if MANIFEST_FILE in (files := file_sizes(self.out)):
            manifest = read_manifest(self.out)
            self._refuse_other_plan(manifest["planned"])
            if _is_complete(manifest, files):
                return True
            self.reopen(self._notes_from_index(manifest) if INDEX_FILE in files else ())
        elif self._plan_file.exists():
            self._refuse_other_plan(json.loads(read_bytes(self._plan_file)))
        elif stray := next((name for name in files if name.endswith(".tar")), None):
            raise InputError(
                f"{self.out} holds {stray} but no manifest: choose an empty folder, or `curate verify --repair` it"
            )
        self.remove_temps()
        make_folder(self.unfinished)
        self._write_plan_file()
        return False

    def remove_temps(self) -> None:
        """Remove what runs that were killed have left half written."""
        end_uploads(self.out)
        for folder in (self.out, self.unfinished):
            for name in file_sizes(folder):
                if name.startswith(TEMP_PREFIX):
                    (folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the notes: all they say stands in the index now."""
        self.remove_temps()
        remove_folder(self.unfinished)

    def _is_done(self, shard: int, tars: dict[str, int], notes: dict[str, int]) -> bool:
        tar, note = self.tar(shard), self.note(shard)
        return tar.name in tars and note.name in notes and ShardNote.read(note).bytes == tars[tar.name]

    @property
    def _plan_file(self) -> AnyPath:
        return self.unfinished / "plan.json"

    def _write_plan_file(self) -> None:
        atomic_write(self._plan_file, lambda file: file.write(json.dumps(self.plan.planned).encode()))

    def _refuse_other_plan(self, theirs: dict[str, str]) -> None:
        ours = self.plan.planned
        other = [name for name in ours if theirs.get(name) != ours[name]]
        if other:
            named = ", ".join(f"{name} ({_brief(theirs.get(name))} there, {_brief(ours[name])} now)" for name in other)
            raise InputError(f"{self.out} holds shards of another plan; what differs: {named}; choose another folder")

    def reopen(self, notes: Iterable[tuple[int, ShardNote]]) -> None:
        """Make a finished folder an unfinished one that keeps the shards of these notes, by number."""
        make_folder(self.unfinished)
        self._write_plan_file()
        for shard, note in notes:
            note.write(self.note(shard))
        (self.out / MANIFEST_FILE).unlink(missing_ok=True)

    def _notes_from_index(self, manifest: dict) -> Iterator[tuple[int, ShardNote]]:
        index = read_parquet(self.out / INDEX_FILE)
        failed = read_parquet(self.out / FAILED_FILE).to_pylist() if (self.out / FAILED_FILE).exists() else []
        for shard, entry in enumerate(manifest["shards"]):
            rows = index.filter(pc.equal(index["shard"], pa.scalar(shard, pa.int32())))
            planned = set(self.plan.rows(shard)["key"].to_pylist())
            columns = {name: rows[name].to_pylist() for name in ("offsets", "sizes", "crc32", "frame_count", "fps")}
            lost = [[f["key"], f["reason"], f["detail"]] for f in failed if f["key"] in planned]
            yield shard, ShardNote(entry["bytes"], entry["sha256"], rows["key"].to_pylist(), **columns, failed=lost)


def _is_complete(manifest: dict, files: dict[str, int]) -> bool:
    whole = all(files.get(shard["file"]) == shard["bytes"] for shard in manifest["shards"])
    return whole and INDEX_FILE in files


def _brief(value: str | None) -> str:
    """Shorten digests, which say nothing to a reader beyond being different."""
    return "nothing" if value is None else value if len(value) != 64 else value[:8]
