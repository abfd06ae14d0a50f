"""The state of a shard folder: of which parts it is, which shards are whole, who is writing in it."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from egocurate.errors import InputError
from egocurate.shards.manifest import read_manifest
from egocurate.shards.shard_format import FAILED_FILE, INDEX_FILE, MANIFEST_FILE, shard_file
from egocurate.shards.write.build_shard import ShardNote
from egocurate.shards.write.job import CheckedJob, ShardJob, ShardPlan, VideoFile
from egocurate.shards.write.parts import NOT_ON_DISK, Part
from egocurate.shards.write.plan_digests import videos_digest
from egocurate.shards.write.shard_content import ShardContent, published_contents
from egocurate.storage.atomic import TEMP_PREFIX, atomic_write, write_json
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.json_notes import read_note
from egocurate.storage.locks.lock import Lock, locked
from egocurate.storage.locks.remote_lock import RemoteLockFile
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import (
    AnyPath,
    as_path,
    end_uploads,
    file_sizes,
    is_remote,
    make_folder,
    remove_folder,
)

UNFINISHED, PLAN_FILE = ".unfinished", "plan.json"


@contextmanager
def locked_folder(out: AnyPath) -> Iterator[Lock]:
    """Make a shard folder and keep other runs out of it; raises InputError if one is at work there."""
    make_folder(out)
    if not is_remote(out) and not os.access(out, os.W_OK):
        raise InputError(f"{out} may not be written to: choose another place for the shards")
    with locked(out, RemoteLockFile(out) if is_remote(out) else None) as lock:
        yield lock


def is_finished(out: AnyPath) -> bool:
    """Tell whether the last run in a folder has come to its end."""
    return (out / MANIFEST_FILE).exists() and not (out / UNFINISHED / PLAN_FILE).exists()


def known_parts(checked: CheckedJob) -> tuple[Part, ...]:
    """Return the parts that the folder of a job was planned as, the one under way included; none for a new folder."""
    out = as_path(checked.job.out)
    finished, begun = finished_parts(checked), _begun_parts(out / UNFINISHED / PLAN_FILE, checked)
    goes_on = [part.planned for part in begun[: len(finished)]] == [part.planned for part in finished]
    return (*finished, *begun[len(finished) :]) if goes_on else finished


def finished_parts(checked: CheckedJob) -> tuple[Part, ...]:
    """Return the parts that the manifest of a job's folder lists, none without a manifest."""
    out = as_path(checked.job.out)
    if not (out / MANIFEST_FILE).exists():
        return ()
    manifest = read_manifest(out)
    if "parts" in manifest:
        return tuple(Part.from_json(values) for values in manifest["parts"])
    return (_only_part(manifest["planned"], len(manifest["shards"]), checked),)


def failed_clips(out: AnyPath) -> dict[str, list[str]]:
    """Return the keys of the clips that could not be cut, by video, of a folder that is finished."""
    failed: dict[str, list[str]] = {}
    if (out / MANIFEST_FILE).exists() and (out / FAILED_FILE).exists():
        for row in read_parquet(out / FAILED_FILE, ["video_uid", "key"]).to_pylist():
            failed.setdefault(row["video_uid"], []).append(row["key"])
    return failed


def _begun_parts(plan_file: AnyPath, checked: CheckedJob) -> tuple[Part, ...]:
    way_out = f"delete the folder {UNFINISHED} there: what it planned is planned again"
    try:
        plan = read_note(plan_file, dict, way_out)
        if "parts" in plan:
            return tuple(Part.from_json(values) for values in plan["parts"])
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise InputError(f"{plan_file} cannot be read ({error}): {way_out}") from error
    return (_only_part(plan, 0, checked),)


def _only_part(planned: dict[str, str], shards: int, checked: CheckedJob) -> Part:
    """Return the part of a folder of the first releases, which planned all videos at once and kept no sizes of them."""
    out = as_path(checked.job.out)
    uids = set(checked.sizes)
    if (out / MANIFEST_FILE).exists() and (out / INDEX_FILE).exists():
        tables = [out / name for name in (INDEX_FILE, FAILED_FILE) if (out / name).exists()]
        uids = {uid for table in tables for uid in read_parquet(table, ["video_uid"])["video_uid"].unique().to_pylist()}
    sizes = {uid: checked.sizes.get(uid, NOT_ON_DISK) for uid in sorted(uids)}
    if videos_digest(sizes) != planned.get("videos"):
        # Something has changed since, and which video it is nobody knows.
        sizes = dict.fromkeys(sizes, NOT_ON_DISK)
    return Part(sizes, int(pc.max(checked.clips["clip_idx"]).as_py()), shards=shards, planned=planned)


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
        """Return the shards that are not whole, by the notes of this run and by what was published before."""
        tars, notes = file_sizes(self.out), file_sizes(self.unfinished)
        entries = self._published_entries()

        def is_whole(shard: int) -> bool:
            size = tars.get(self.tar(shard).name)
            if self.note(shard).name in notes:
                try:
                    told = ShardNote.read(self.note(shard))
                except ValueError:  # a shard without a note is cut again
                    return False
                return size == told.bytes and set(told.keys) <= set(self.plan.keys(shard))
            return shard < len(entries) and size == entries[shard]["bytes"]

        return [shard for shard in range(self.plan.shards) if not is_whole(shard)]

    def contents(self) -> Iterator[ShardContent]:
        """Return what every shard holds: by its note or, where it has none, by the index that was published before."""
        notes, entries = file_sizes(self.unfinished), self._published_entries()
        reasons = self._reasons() if entries else {}
        published = published_contents(self.out / INDEX_FILE, entries)
        for shard in range(self.plan.shards):
            content = next(published) if shard < len(entries) else None
            if content is None or self.note(shard).name in notes:
                yield ShardContent.of_note(ShardNote.read(self.note(shard)))
                continue
            keys = self.plan.keys(shard) if reasons else []
            yield replace(content, failed=[reasons[key] for key in keys if key in reasons])

    def open(self) -> bool:
        """Make the folder ready for its plan and tell whether it is finished already.

        A finished folder that is to grow keeps its index and its manifest until the new ones are written. If shards of
        it are gone or have another size, it becomes an unfinished one, so that just those are written again. Raises
        InputError if the videos that these were cut from are gone, too.
        """
        if MANIFEST_FILE in (files := file_sizes(self.out)):
            manifest = read_manifest(self.out)
            entries = manifest["shards"]
            lost = [shard for shard, entry in enumerate(entries) if files.get(entry["file"]) != entry["bytes"]]
            is_whole = not lost and INDEX_FILE in files
            if lost and INDEX_FILE in files:
                self._refuse_other_index(manifest)
            if is_whole and len(entries) == self.plan.shards:
                return True
            self.refuse_changed_videos(lost)
            if is_whole:
                self._begin()
            else:
                self.reopen(manifest if INDEX_FILE in files else None)
        elif not self._plan_file.exists() and (stray := next((name for name in files if name.endswith(".tar")), None)):
            raise InputError(
                f"{self.out} holds {stray} but no manifest: choose an empty folder, or `curate verify --repair` it"
            )
        else:
            self._begin()
        self.remove_temps()
        return False

    def refuse_changed_videos(self, shards: Iterable[int]) -> None:
        """Raise InputError if the videos of shards that are to be cut again are not those that they were cut from."""
        parts = self.plan.parts
        for shard in shards:
            for uid in self.plan.rows(shard)["video_uid"].unique().to_pylist():
                now = self.job.videos.get(uid, VideoFile(None)).size()
                # One that was repaired and tried again is as good as the file of before.
                was = [part.videos[uid] for part in parts if uid in part.videos]
                if now not in was and NOT_ON_DISK not in was:
                    what = "is not on disk" if now == NOT_ON_DISK else f"has {now} bytes"
                    raise InputError(
                        f"{self.tar(shard)} is to be cut again, but its video {uid} {what} now, it had {was[-1]} "
                        "bytes: put that file back, or choose another folder"
                    )

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

    @property
    def _plan_file(self) -> AnyPath:
        return self.unfinished / PLAN_FILE

    def _published_entries(self) -> list[dict]:
        """Return what the manifest says of shards, or said before the folder became an unfinished one."""
        folders = [folder for folder in (self.out, self.unfinished) if (folder / MANIFEST_FILE).exists()]
        return read_manifest(folders[0])["shards"] if folders else []

    def _begin(self) -> None:
        make_folder(self.unfinished)
        plan = {"parts": [part.to_json() for part in self.plan.parts]}
        atomic_write(self._plan_file, lambda file: file.write(json.dumps(plan).encode()))

    def reopen(self, published: dict | None = None) -> None:
        """Make a finished folder an unfinished one that keeps the shards that have notes.

        Those that have none stay, too, as the index and the manifest say that they are, if that is given.
        """
        self._begin()
        if published is not None:
            write_json(self.unfinished / MANIFEST_FILE, published)
        else:
            (self.unfinished / MANIFEST_FILE).unlink(missing_ok=True)
        (self.out / MANIFEST_FILE).unlink(missing_ok=True)

    def _reasons(self) -> dict[str, list[str]]:
        path = self.out / FAILED_FILE
        failed = read_parquet(path).to_pylist() if path.exists() else []
        return {row["key"]: [row["key"], row["reason"], row["detail"]] for row in failed}

    def _refuse_other_index(self, manifest: dict) -> None:
        """Raise InputError if the index, by which whole shards are known, is not the one that was written."""
        written = manifest.get("index")  # folders of the first releases do not tell
        if written is not None and fingerprint(self.out / INDEX_FILE) != f"{written['bytes']}:{written['sha256']}":
            raise InputError(f"{self.out / INDEX_FILE} is not what was written: run `curate verify --repair`")
