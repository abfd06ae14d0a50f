"""Features of stretches of videos: an embedding for each row of a table, in the table's order."""

from __future__ import annotations

import csv
import io
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from egocurate.errors import InputError
from egocurate.loaders.videos.stretch_table import StretchTable, check_lengths
from egocurate.loaders.videos.stretches import shown_or_why_not
from egocurate.loaders.workers.worker_status import WorkerStatus, worker_lost
from egocurate.progress import Report, Stage
from egocurate.storage.atomic import atomic_write, remove_leftovers, write_text
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems import System
from egocurate.training.tasks.embed import Embedder, unit_rows
from egocurate.training.tasks.feature_files import FORMS, read_rows, write_rows
from egocurate.training.tasks.feature_note import claim_features
from egocurate.training.tasks.video_chunks import size_of

CLIPS_IN_CHUNK = 32
NAME = "stretches"
PARTS = "stretches.parts"
FAILED = "stretches.failed.csv"
POLL_SEC = 1.0


@dataclass(frozen=True)
class StretchJob:
    """Stretches of videos by name, the folder and the form of their features, and what is shown of each stretch."""

    table: StretchTable
    videos: dict[str, Path]
    out: Path
    form: str
    frames: int
    size: int
    workers: int
    """processes that decode, of each rank"""
    clips_at_once: int

    @property
    def file(self) -> Path:
        """Where the rows go."""
        return self.out / f"{NAME}.{self.form}"


def write_stretch_features(
    job: StretchJob, made_by: dict[str, object], system: System, ranks: Ranks, report: Report
) -> dict[int, str]:
    """Write OUT/stretches.<form>, float32 [N, D] of length 1; return the rows that cannot be had, with the reason.

    Those are NaN, null in a table, and in OUT/stretches.failed.csv; a repeated job tries them again. A video is one
    piece of work: after a stop those that were done are done. Every rank calls this. Raises InputError for a stretch
    outside its video, and if OUT has features made otherwise.
    """
    sizes = {name: size_of(job.videos[name]) for name in job.table.rows_of_videos()}
    settings = {"frames": job.frames, "size": job.size, NAME: job.table.digest, "videos": sizes}
    claim_features(job.out, NAME, made_by | settings, ranks)
    rows_of, kept = job.table.rows_of_videos(), _rows_there(job)
    missing = [
        name
        for name, rows in rows_of.items()
        if not _part(job, name).exists() and (kept is None or np.isnan(kept[rows]).any())
    ]
    missing.sort(key=lambda name: (-len(rows_of[name]), name))  # the longest first, so that ranks end together
    check_lengths(job.table, {name: job.videos[name] for name in missing})
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        (job.out / PARTS).mkdir(exist_ok=True)
        remove_leftovers(job.out / PARTS)
    ranks.barrier()
    _write_parts(job, missing[ranks.rank :: ranks.size], Embedder(system, ranks, 0, job.clips_at_once), report)
    # The files tell when the others have ended: it may take longer than processes wait for each other.
    while waiting := [name for name in missing if not _part(job, name).exists()]:
        report(Stage("waiting", note=f"other ranks have {len(waiting):,} videos to go"), 0, 0)
        time.sleep(POLL_SEC)
    rows, failed = _whole(job, kept)
    ranks.barrier()  # all have read the parts before they go
    if ranks.main:
        _finish(job, rows, failed)
    ranks.barrier()
    return failed


def _rows_there(job: StretchJob) -> np.ndarray | None:
    """Return the rows that an earlier job has written, in whatever form."""
    path = next((path for form in FORMS if (path := job.out / f"{NAME}.{form}").exists()), None)
    rows = None if path is None else read_rows(path)
    if rows is not None and len(rows) != len(job.table):
        raise InputError(f"{path}: has {len(rows):,} rows, not {len(job.table):,}; delete it, and it is made again")
    return rows


def _write_parts(job: StretchJob, names: list[str], embedder: Embedder, report: Report) -> None:
    """Embed the stretches of these videos, and write a part for each video as soon as it is done."""
    rows_of = job.table.rows_of_videos()
    done, total = 0, sum(len(rows_of[name]) for name in names)
    rows: dict[str, list[tuple[list[int], np.ndarray]]] = defaultdict(list)
    failed: dict[str, dict[int, str]] = defaultdict(dict)
    for chunk in _chunks(job, names, pin_memory=embedder.ranks.device.type == "cuda"):
        if chunk.rows:
            rows[chunk.video].append((chunk.rows, _embed(chunk.frames, embedder)))
        failed[chunk.video] |= chunk.failed
        if chunk.last:
            _write_part(_part(job, chunk.video), rows.pop(chunk.video, []), failed.pop(chunk.video))
        done += len(chunk.rows) + len(chunk.failed)
        report(NAME, done, total)


@torch.no_grad()
def _embed(frames: Tensor, embedder: Embedder) -> np.ndarray:
    """Embed clips uint8 [B, T, 3, S, S] as float32 [B, D] of length 1; of a model without texts their features."""
    parts = frames.split(embedder.clips_at_once)
    if embedder.system.embedding:
        embedded = [embedder.frames(part) for part in parts]
    else:
        with embedder.ranks.autocast():
            embedded = [embedder.system.features(part.to(embedder.ranks.device)).float() for part in parts]
    return unit_rows(torch.cat(embedded)).cpu().numpy()


class _Chunk(NamedTuple):
    """Some stretches of a video: their rows of the table, frames uint8 [B, T, 3, S, S], and why others have none."""

    video: str
    rows: list[int]
    frames: Tensor
    failed: dict[int, str]
    last: bool


def _chunks(job: StretchJob, names: list[str], *, pin_memory: bool) -> Iterator[_Chunk]:
    """Yield the chunks of videos, read by worker processes; raises WorkerLost where one was killed."""
    status = WorkerStatus(job.workers)
    loader = DataLoader(
        _Stretches(job, names, status),
        batch_size=None,
        num_workers=min(job.workers, len(names)),
        multiprocessing_context="fork" if job.workers and names else None,
        pin_memory=pin_memory,
        in_order=False,  # each process has videos of its own
    )
    try:
        yield from loader
    except RuntimeError as error:  # raised wherever this process is when a worker dies
        lost = worker_lost(error, status)
        if lost is None:
            raise
        raise lost from error


class _Stretches(IterableDataset):
    """The stretches of videos, one video after another; each worker process has its own share of them."""

    def __init__(self, job: StretchJob, names: list[str], status: WorkerStatus) -> None:
        self._job, self._names, self._status = job, names, status
        self._rows = job.table.rows_of_videos()

    def __iter__(self) -> Iterator[_Chunk]:
        worker = get_worker_info()
        for name in self._names[worker.id :: worker.num_workers] if worker else self._names:
            self._status.note(str(self._job.videos[name]))
            yield from self._video(name)
        self._status.clear()

    def _video(self, name: str) -> Iterator[_Chunk]:
        job, rows = self._job, self._rows[name]
        stretches = [job.table.stretches[row] for row in rows]
        shown = shown_or_why_not(job.videos[name], stretches, frames=job.frames, size=job.size)
        left = len(rows)
        while part := list(islice(shown, CLIPS_IN_CHUNK)):
            good = [(rows[place], frames) for place, frames in part if not isinstance(frames, str)]
            failed = {rows[place]: reason for place, reason in part if isinstance(reason, str)}
            left -= len(part)
            frames = torch.stack([frames for _, frames in good]) if good else torch.empty(0)
            yield _Chunk(name, [row for row, _ in good], frames, failed, last=not left)


def _part(job: StretchJob, video: str) -> Path:
    return job.out / PARTS / f"{video}.npz"


def _write_part(path: Path, done: list[tuple[list[int], np.ndarray]], failed: dict[int, str]) -> None:
    rows = np.array([row for rows, _ in done for row in rows], np.int64)
    embedded = np.concatenate([embedded for _, embedded in done]) if done else np.zeros((0, 0), np.float32)
    reasons = {"failed": np.array(list(failed), np.int64), "reasons": np.array(list(failed.values()), np.str_)}
    atomic_write(path, lambda file: np.savez(file, rows=rows, embedded=embedded, **reasons))


def _whole(job: StretchJob, kept: np.ndarray | None) -> tuple[np.ndarray | None, dict[int, str]]:
    """Return all rows, those that were there and those of the parts; and the rows that have failed, in order."""
    whole, failed = kept, {}
    for video in job.table.rows_of_videos():
        path = _part(job, video)
        if not path.exists():
            continue
        try:
            with np.load(path, allow_pickle=False) as part:
                rows, embedded = part["rows"], part["embedded"]
                failed |= zip(part["failed"].tolist(), part["reasons"].tolist(), strict=True)
            if len(rows):
                whole = np.full((len(job.table), embedded.shape[1]), np.nan, np.float32) if whole is None else whole
                whole[rows] = embedded
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise InputError(f"{path}: not as it was written ({error}); delete it, and it is made again") from error
    return whole, dict(sorted(failed.items()))


def _finish(job: StretchJob, rows: np.ndarray | None, failed: dict[int, str]) -> None:
    """Write what came out, and remove the parts; there is no file of rows if no stretch can be had."""
    table, path = job.table, job.out / FAILED
    if rows is not None:
        starts, ends = (np.array(times) for times in zip(*table.stretches, strict=True))
        columns = {"video": pa.array(table.videos), "start_sec": pa.array(starts), "end_sec": pa.array(ends)}
        write_rows(job.file, rows, columns | {"name": pa.array(table.names)})
    path.unlink(missing_ok=True)
    if failed:
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("row", "name", "video", "start_sec", "end_sec", "reason"))
        for row, reason in failed.items():
            writer.writerow((row + 1, table.names[row], table.videos[row], *table.stretches[row], reason))
        write_text(path, lines.getvalue())
    shutil.rmtree(job.out / PARTS)
