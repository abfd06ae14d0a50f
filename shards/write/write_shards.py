"""Write a shard folder: one task per shard, whole files only, and a second run goes on where the first stopped."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from egocurate.errors import ClusterLost, DiskFull
from egocurate.progress import Report, Stage, silent
from egocurate.shards.manifest import read_manifest
from egocurate.shards.write.build_shard import DISK_FULL, TROUBLE, ShardOutcome, ShardTask
from egocurate.shards.write.cut_rate import CutRate, core_seconds, covered_seconds
from egocurate.shards.write.job import (
    ShardJob,
    ShardSummary,
    VideoFile,
    check_job,
    grown_parts,
    plan_parts,
    refuse_without_videos,
)
from egocurate.shards.write.publish_index import count_gone, publish, publish_waiting
from egocurate.shards.write.shard_folder import (
    ShardFolder,
    failed_clips,
    finished_parts,
    is_finished,
    known_parts,
    locked_folder,
)
from egocurate.shards.write.shard_tasks import run_tasks
from egocurate.storage.locks.lock import Lock
from egocurate.storage.paths import as_path, file_sizes
from egocurate.workers.choose import open_workers

__all__ = ["ShardJob", "ShardSummary", "VideoFile", "write_shards"]

STAGE = "cutting clips"
FEW_VIDEOS = 100


def write_shards(job: ShardJob, report: Report = silent) -> ShardSummary:
    """Cut the clips of a job and write shards, index and manifest, on Ray or beside it (`workers.choose`).

    What is in the folder stays: clips that are new in the table, or whose video has come or been repaired since, are
    added as further shards. Raises InputError (clips cut before have changed, another run at work there, no video on
    disk, clips that cannot be planned), DiskFull and ClusterLost. KeyboardInterrupt leaves whole shards only.
    """
    began = time.monotonic()
    checked = check_job(job)
    if not is_finished(as_path(job.out)):
        refuse_without_videos(checked)  # before a folder is made
    with locked_folder(as_path(job.out)) as lock:
        known = known_parts(checked)
        # A run that was killed while it tried them again goes on with these.
        retry = job.retry_failed and len(known) == len(finished_parts(checked))
        parts = grown_parts(checked, known, failed_clips(as_path(job.out)), retry)
        return finish_folder(ShardFolder(job, plan_parts(checked, parts)), lock, report, began)


def finish_folder(folder: ShardFolder, lock: Lock, report: Report, began: float) -> ShardSummary:
    """Write what is missing in a folder that is locked, and publish it; see `write_shards`."""
    new_samples = 0
    with _errors_name_what_is_whole(folder):
        already_done = folder.open()
        if not already_done:
            new_samples = _write_missing(folder, lock, report)
            publish(folder)
        # A run that was killed between its last two steps has left its notes.
        folder.close()
        gone = count_gone(folder.out)
        waiting = publish_waiting(folder, gone)
    manifest = read_manifest(folder.out)
    return ShardSummary(
        samples=manifest["samples"],
        failed=manifest["failed"] - sum(gone.values()),
        shards=folder.plan.shards,
        bytes=manifest["bytes"],
        seconds=time.monotonic() - began,
        already_done=already_done,
        new_samples=new_samples,
        waiting=waiting,
    )


def _write_missing(folder: ShardFolder, lock: Lock, report: Report) -> int:
    """Cut the shards that are not whole; returns how many samples they hold."""
    plan = folder.plan
    missing = folder.missing()
    left = sum(int(plan.bounds[shard + 1] - plan.bounds[shard]) for shard in missing)
    total = len(plan.clips)
    rate = CutRate(left)

    def done(shard: int, outcome: ShardOutcome) -> None:
        if outcome.disk_full:
            raise OSError(DISK_FULL[0], "no space left")
        rate.add(outcome.clips, outcome.failed, covered_seconds(plan.rows(shard)))
        report(Stage(STAGE, str(rate)), total - rate.clips_left, total)

    report(Stage(STAGE), total - left, total)
    for name in file_sizes(folder.unfinished):
        if name.endswith(TROUBLE):
            # What ended an earlier run's tasks is tried afresh: a file server may be back.
            (folder.unfinished / name).unlink(missing_ok=True)
    if missing:
        windows = plan.clips.take(np.arange(total), ["clip_start", "clip_end"])
        core_sec = core_seconds(windows, _video_bytes(folder)) * left / total
        with _temps_removed(folder), open_workers(len(missing), core_sec, report) as workers:
            run_tasks(workers, missing, lambda shard, careful: _task(folder, shard, careful), done, lock.check)
    return rate.samples


def _video_bytes(folder: ShardFolder) -> float:
    """Return how large the videos are; of many, which are work enough, none is asked for its size."""
    videos = {uid for part in folder.plan.parts for uid in part.videos}
    if len(videos) > FEW_VIDEOS:
        return math.inf
    return sum(max(0, folder.job.videos.get(uid, VideoFile(None)).size()) for uid in videos)


def _task(folder: ShardFolder, shard: int, careful: bool) -> ShardTask:
    job, clips = folder.job, folder.plan.rows(shard)
    videos = {uid: job.videos.get(uid, VideoFile(None)) for uid in clips["video_uid"].unique().to_pylist()}
    return ShardTask(folder.tar(shard), folder.note(shard), clips, videos, job.profile, job.stall_sec, careful)


@contextmanager
def _temps_removed(folder: ShardFolder) -> Iterator[None]:
    try:
        yield
    except BaseException:
        folder.remove_temps()
        raise


@contextmanager
def _errors_name_what_is_whole(folder: ShardFolder) -> Iterator[None]:
    """Name in the error of a full disk or a lost cluster what is whole and stays, and how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        way_out = "free space there and run the same command again"
        raise DiskFull(f"no space left in {folder.out}: {_whole_shards(folder)}; {way_out}") from error
    except ClusterLost as error:
        raise ClusterLost(f"{error}: {_whole_shards(folder)}; the same command goes on from there") from error


def _whole_shards(folder: ShardFolder) -> str:
    shards = range(folder.plan.shards)
    whole = sum(folder.tar(shard).is_file() for shard in shards)
    return f"{whole} of {len(shards)} shards are complete and stay"
