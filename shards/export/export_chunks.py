"""Write videos as folders of chunks: one task per video, and a second run writes only what is not there."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from egocurate.errors import DiskFull, InputError
from egocurate.progress import Report, silent
from egocurate.shards.export.chunk_layouts import ChunkLayout
from egocurate.shards.export.chunk_video import ChunkOutcome, ChunkTask, write_chunks
from egocurate.shards.shard_format import FAILED_FILE, FAILED_SCHEMA
from egocurate.shards.write.job import VideoFile
from egocurate.storage.atomic import TEMP_PREFIX, atomic_write
from egocurate.storage.locks.lock import locked
from egocurate.workers.choose import open_workers
from egocurate.workers.tasks import WorkerDied, run_each

CHUNKS_FILE, LAYOUT_FILE = "chunks.parquet", "layout.json"
CHUNKS_SCHEMA = pa.schema(
    [
        ("video_uid", pa.string()),
        ("chunk", pa.int32()),
        ("file", pa.string()),
        ("frames", pa.int64()),
        ("bytes", pa.int64()),
    ]
)
VIDEOS_KEY = b"egocurate.videos"
STAGE = "exporting videos"
EXPORTED_BYTES_PER_SEC = 1e6  # that a core decodes and encodes: a guess on the slow side


@dataclass(frozen=True)
class ExportJob:
    """Videos, their lengths in seconds (NaN: unknown), and how and where they are to be written."""

    videos: dict[str, VideoFile]
    durations: dict[str, float]
    layout: ChunkLayout
    out: Path

    def digest(self) -> str:
        """Digest which videos there are and how large: with the same ones there is nothing new to write."""
        sizes = sorted((uid, video.size()) for uid, video in self.videos.items())
        return hashlib.sha256(json.dumps(sizes).encode()).hexdigest()


@dataclass(frozen=True)
class ExportSummary:
    """What a run left behind; `already_done` tells that there was nothing to do."""

    chunks: int
    failed: int
    bytes: int
    seconds: float
    already_done: bool


@dataclass
class _Tables:
    written: list[tuple] = field(default_factory=list)
    failed: list[tuple] = field(default_factory=list)

    def add(self, job: ExportJob, outcome: ChunkOutcome) -> None:
        uid, layout = outcome.video_uid, job.layout
        self.written += [(uid, chunk, layout.path(uid, chunk), *size) for chunk, *size in outcome.written]
        for chunk, reason, detail in outcome.failed:
            start = float(chunk * layout.seconds)
            self.failed.append((layout.path(uid, chunk), uid, start, start + layout.seconds, reason, detail))


def export_chunks(job: ExportJob, report: Report = silent) -> ExportSummary:
    """Write the chunks of every video, then chunks.parquet and failed.parquet, on Ray or beside it.

    Raises InputError (other layout in the folder, no video on disk, a name that is no folder name) and DiskFull.
    KeyboardInterrupt leaves whole chunks only.
    """
    began = time.monotonic()
    _check(job)
    job.out.mkdir(parents=True, exist_ok=True)
    with locked(job.out):
        _claim(job)
        digest = job.digest()
        chunks = _finished(job.out, digest)
        already_done = chunks is not None
        if chunks is None:
            tables = _Tables()
            _run(job, lambda outcome: tables.add(job, outcome), report)
            chunks = _publish(job.out, tables, digest)
    failed = pq.read_metadata(job.out / FAILED_FILE).num_rows if (job.out / FAILED_FILE).exists() else 0
    size = sum(chunks["bytes"].to_pylist())
    return ExportSummary(len(chunks), failed, size, time.monotonic() - began, already_done)


def _check(job: ExportJob) -> None:
    if all(video.size() < 0 for video in job.videos.values()):
        raise InputError(f"none of the {len(job.videos)} videos is on disk: download them first")
    for uid in job.videos:
        if not uid or uid.startswith(".") or "/" in uid:
            raise InputError(f"video {uid!r} cannot be a folder name: give it another video_uid")


def _claim(job: ExportJob) -> None:
    """Say in the folder which layout it has; raises InputError if it has another, or chunks of nobody known."""
    path = job.out / LAYOUT_FILE
    settings = job.layout.settings()
    if not path.exists():
        stray = next((uid for uid in job.videos if (job.out / job.layout.folder(uid)).exists()), None)
        if stray:
            raise InputError(f"{job.out} holds {job.layout.folder(stray)} of some other run: choose an empty folder")
        atomic_write(path, lambda file: file.write((json.dumps(settings) + "\n").encode()))
    elif (theirs := json.loads(path.read_bytes())) != settings:
        raise InputError(f"{job.out} holds chunks like {theirs['name']}, not {job.layout.name}: choose another folder")


def _finished(out: Path, digest: str) -> pa.Table | None:
    """Return the table of chunks if it is of these videos and every file is there."""
    path = out / CHUNKS_FILE
    if not path.exists():
        return None
    table = pq.read_table(path)
    sizes = zip(table["file"].to_pylist(), table["bytes"].to_pylist(), strict=True)
    same = (table.schema.metadata or {}).get(VIDEOS_KEY, b"").decode() == digest
    return table if same and all(_size(out / file) == size for file, size in sizes) else None


def _run(job: ExportJob, done: Callable[[ChunkOutcome], None], report: Report) -> None:
    """Run the tasks, the largest videos first; `done` is called with the outcome of each."""
    tasks = {}
    for uid, video in sorted(job.videos.items(), key=lambda item: (-item[1].size(), item[0])):
        tasks[uid] = (ChunkTask(uid, video, job.durations.get(uid, float("nan")), job.layout, job.out),)
    report(STAGE, 0, len(tasks))
    try:
        core_sec = sum(max(0, video.size()) for video in job.videos.values()) / EXPORTED_BYTES_PER_SEC
        with open_workers(len(tasks), core_sec, report) as workers:
            for number, ended in enumerate(run_each(workers, write_chunks, tasks), 1):
                if isinstance(ended.error, WorkerDied):
                    outcome = ChunkOutcome(ended.key, failed=[(0, "worker died", str(ended.error))])
                else:
                    outcome = ended.result()
                if outcome.disk_full:
                    raise DiskFull(f"no space left in {job.out}: whole chunks stay; free space and run this again")
                done(outcome)
                report(STAGE, number, len(tasks))
    finally:
        for temp in job.out.glob(f"*/{TEMP_PREFIX}*"):
            temp.unlink(missing_ok=True)


def _publish(out: Path, tables: _Tables, digest: str) -> pa.Table:
    """Write both tables, sorted; that of the chunks last, as it says that the export is finished."""
    failed = _table(tables.failed, FAILED_SCHEMA)
    (out / FAILED_FILE).unlink(missing_ok=True)
    if len(failed):
        atomic_write(out / FAILED_FILE, lambda file: pq.write_table(failed, file))
    chunks = _table(tables.written, CHUNKS_SCHEMA).replace_schema_metadata({VIDEOS_KEY: digest.encode()})
    atomic_write(out / CHUNKS_FILE, lambda file: pq.write_table(chunks, file))
    return chunks


def _table(rows: Iterable[tuple], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*sorted(rows), strict=True)) or [[] for _ in schema]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
