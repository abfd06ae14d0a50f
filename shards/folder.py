"""The state of a shard folder: whose plan it holds, which shards are whole, who is writing in it."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shards.build import ShardNote
from shards.errors import InputError
from shards.files import TEMP_PREFIX, atomic_write
from shards.job import Plan, ShardJob
from shards.schema import FAILED_FILE, FORMAT, INDEX_FILE, MANIFEST_FILE, shard_file

UNFINISHED = ".unfinished"


def read_manifest(folder: str | Path) -> dict:
    """Return manifest.json of a finished shard folder; raises InputError if it is none that this version reads."""
    path = Path(folder) / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_bytes())
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
    plan: Plan

    @property
    def out(self) -> Path:
        """The folder."""
        return Path(self.job.out)

    @property
    def unfinished(self) -> Path:
        """Sub-folder of notes about shards, there until the index is written."""
        return self.out / UNFINISHED

    def tar(self, shard: int) -> Path:
        """Return the path of a shard."""
        return self.out / shard_file(self.job.name, shard)

    def note(self, shard: int) -> Path:
        """Return the path of a shard's note."""
        return self.unfinished / f"{self.tar(shard).name}.json"

    def is_done(self, shard: int) -> bool:
        """Tell whether a shard is whole."""
        tar, note = self.tar(shard), self.note(shard)
        return tar.is_file() and note.is_file() and ShardNote.read(note).bytes == tar.stat().st_size

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep other runs out of it; raises InputError if one is at work there."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise InputError(f"{self.out} is not a folder: choose another place for the shards") from error
        except PermissionError as error:
            raise InputError(f"{self.out} cannot be made ({error.strerror}): choose another place") from error
        if not os.access(self.out, os.W_OK):
            raise InputError(f"{self.out} may not be written to: choose another place for the shards")
        descriptor = os.open(self.out, os.O_RDONLY)
        try:
            # On the folder itself: nothing to leave behind, and gone with the process however it ends.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise InputError(f"another run is writing in {self.out}: wait for it to end") from error
        finally:
            os.close(descriptor)

    def open(self) -> bool:
        """Make the folder ready for this plan and tell whether it is finished already.

        Raises InputError if it holds shards of another plan. If shards of a finished folder are gone or have another
        size, the folder becomes an unfinished one, so that just those are written again.
        """
        if (self.out / MANIFEST_FILE).exists():
            manifest = read_manifest(self.out)
            self._refuse_other_plan(manifest["planned"])
            if self._is_complete(manifest):
                return True
            self._reopen(manifest)
        elif self._plan_file.exists():
            self._refuse_other_plan(json.loads(self._plan_file.read_bytes()))
        elif stray := next(self.out.glob("*.tar"), None):
            raise InputError(f"{self.out} holds {stray.name} of some other run: choose an empty folder")
        self.remove_temps()
        self.unfinished.mkdir(exist_ok=True)
        self._write_plan_file()
        return False

    def remove_temps(self) -> None:
        """Remove what runs that were killed have left half written."""
        for folder in (self.out, self.unfinished):
            for temp in folder.glob(f"{TEMP_PREFIX}*"):
                temp.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the notes: all they say stands in the index now."""
        self.remove_temps()
        shutil.rmtree(self.unfinished)

    @property
    def _plan_file(self) -> Path:
        return self.unfinished / "plan.json"

    def _write_plan_file(self) -> None:
        atomic_write(self._plan_file, lambda file: file.write(json.dumps(self.plan.planned).encode()))

    def _refuse_other_plan(self, theirs: dict[str, str]) -> None:
        ours = self.plan.planned
        other = [name for name in ours if theirs.get(name) != ours[name]]
        if other:
            named = ", ".join(f"{name} ({_brief(theirs.get(name))} there, {_brief(ours[name])} now)" for name in other)
            raise InputError(f"{self.out} holds shards of another plan; what differs: {named}; choose another folder")

    def _is_complete(self, manifest: dict) -> bool:
        whole = all(_size(self.out / shard["file"]) == shard["bytes"] for shard in manifest["shards"])
        return whole and (self.out / INDEX_FILE).is_file()

    def _reopen(self, manifest: dict) -> None:
        self.unfinished.mkdir(exist_ok=True)
        self._write_plan_file()
        if (self.out / INDEX_FILE).is_file():
            for shard, note in self._notes_from_index(manifest):
                note.write(self.note(shard))
        (self.out / MANIFEST_FILE).unlink()

    def _notes_from_index(self, manifest: dict) -> Iterator[tuple[int, ShardNote]]:
        index = pq.read_table(self.out / INDEX_FILE)
        failed = pq.read_table(self.out / FAILED_FILE).to_pylist() if (self.out / FAILED_FILE).exists() else []
        for shard, entry in enumerate(manifest["shards"]):
            rows = index.filter(pc.equal(index["shard"], pa.scalar(shard, pa.int32())))
            planned = set(self.plan.rows(shard)["key"].to_pylist())
            columns = {name: rows[name].to_pylist() for name in ("offsets", "sizes", "crc32", "frame_count", "fps")}
            lost = [[f["key"], f["reason"], f["detail"]] for f in failed if f["key"] in planned]
            yield shard, ShardNote(entry["bytes"], entry["sha256"], rows["key"].to_pylist(), **columns, failed=lost)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _brief(value: str | None) -> str:
    """Shorten digests, which say nothing to a reader beyond being different."""
    return "nothing" if value is None else value if len(value) != 64 else value[:8]
