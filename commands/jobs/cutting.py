"""What all jobs that cut clips have in common: their options, what comes out, Ray, and the cutting itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from egocurate.commands.output.run_record import Run
from egocurate.curation.clips.read_clips import ClassCounts
from egocurate.curation.sources import Source
from egocurate.progress import Report
from egocurate.ray_session import ray_session
from egocurate.shards.profiles import profile
from egocurate.shards.shard_format import FAILED_FILE, VIDEO_NOT_ON_DISK, WAITING_FILE
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.storage.parquet import read_parquet
from egocurate.storage.paths import AnyPath, as_path


@dataclass(frozen=True)
class RunOptions:
    """How a job is carried out.

    `profile` names the encoding, `shard_clips` is what one shard holds, `tables_only` stops before the video work,
    `ray_address` is the Ray cluster to use (None: this machine), `tags_from` an earlier egoclip folder whose texts need
    not be tagged again. With `strict` a job that waits for videos has not written everything. With `retry_failed` clips
    that could not be cut are tried again, though their video has not changed.
    """

    profile: str = "train"
    shard_clips: int = 256
    tables_only: bool = False
    ray_address: str | None = None
    tags_from: AnyPath | None = None
    strict: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        """Refuse a profile that is not there; raises InputError."""
        profile(self.profile)

    def cut_settings(self) -> dict[str, object]:
        """Return what decides the bytes of shards: not where they are cut."""
        return {"profile": self.profile, "shard_clips": self.shard_clips}


@dataclass(frozen=True)
class Outcome:
    """What a job did: rows for its summary, whether everything planned was written, and whether anything was."""

    summary: dict[str, object]
    whole: bool = True
    unchanged: bool = False


@contextmanager
def running_ray(address: str | None, report: Report) -> Iterator[None]:
    """Have Ray running inside the block where an address is given; None leaves the choice to `workers.choose`."""
    if address is None:
        yield
        return
    report("joining the cluster", 0, 1)
    with ray_session(address) as dashboard:
        report("joining the cluster", 1, 1)
        if dashboard:
            print(f"Ray dashboard: {dashboard}", file=sys.stderr)
        yield


def cut_clips(
    name: str,
    table: pa.Table,
    source: Source,
    classes: ClassCounts,
    out: AnyPath,
    options: RunOptions,
    report: Report,
    waiting: Mapping[str, int] | None = None,
) -> Outcome:
    """Cut the clips of a table out of the videos of a source, as shards called `name` in the folder `out`.

    Clips of videos that are not on disk wait: a later run adds them. `waiting` counts, by video, what is not even in
    the table before its video is there.
    """
    job = ShardJob(
        clips=table,
        videos=video_files(source.videos()),
        out=out,
        profile=profile(options.profile),
        name=name,
        clips_per_shard=options.shard_clips,
        num_verbs=classes.verbs,
        num_nouns=classes.nouns,
        lexicon=classes.lexicon,
        looked_in=source.looked_in(),
        waiting=dict(waiting or {}),
        retry_failed=options.retry_failed,
    )
    done = write_shards(job, report)
    summary: dict[str, object] = {"shards": done.shards, "samples": done.samples, "megabytes": done.bytes / 1e6}
    if done.already_done:
        summary["shards_state"] = "already there, unchanged"
    else:
        if done.new_samples < done.samples:
            summary["new_samples"] = done.new_samples
        summary["cut_clips_per_sec"] = done.new_samples / done.seconds if done.seconds else 0.0
    if done.failed:
        reasons = read_parquet(out / FAILED_FILE, columns=["reason"])["reason"]
        summary["failed"] = dict(count for count in count_values(reasons) if count[0] != VIDEO_NOT_ON_DISK)
        summary["failed_list"] = str(out / FAILED_FILE)
    if done.waiting:
        summary["waiting_for"] = {"clips": sum(done.waiting.values()), "videos_not_on_disk": len(done.waiting)}
        summary["waiting_list"] = str(out / WAITING_FILE)
    whole = done.failed == 0 and not (options.strict and done.waiting)
    return Outcome(summary, whole, done.already_done)


def video_files(videos: pd.DataFrame) -> dict[str, VideoFile]:
    """Return where each video of a source is."""
    return {
        row.video_uid: VideoFile(as_path(row.path) if isinstance(row.path, str) else None, bool(row.is_stereo))
        for row in videos.itertuples()
    }


def record(run: Run, outcome: Outcome) -> Outcome:
    """Write the record of a run that has done something new; returns the outcome."""
    if not run.done or not outcome.unchanged:
        run.finish(outcome.summary)
    return outcome


def count_values(column: pa.ChunkedArray) -> list[tuple[str, int]]:
    """Count a column's values, most frequent first."""
    counts = ((row["values"].as_py(), row["counts"].as_py()) for row in column.value_counts())
    return sorted(counts, key=lambda pair: -pair[1])
