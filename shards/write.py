"""Write a shard folder: one Ray task per shard, whole files only, and a second run goes on where the first stopped."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shards.build import DISK_FULL, ShardTask, build_shard
from shards.cluster import ray_session
from shards.errors import DiskFull
from shards.folder import ShardFolder, read_manifest
from shards.job import ShardJob, ShardSummary, VideoFile, make_plan
from shards.progress import Report, silent
from shards.publish import publish

__all__ = ["ShardJob", "ShardSummary", "VideoFile", "write_shards"]

# Enough to keep every core busy, few enough that a full disk or Ctrl-C stops the run at once.
TASKS_PER_CPU = 2
SHUTDOWN_SECONDS = 0.5  # in which workers that have lost their node are gone
LAST_TASKS_SECONDS = 60
STAGE = "cutting clips"


def write_shards(job: ShardJob, report: Report = silent) -> ShardSummary:
    """Cut the clips of a job and write shards, index and manifest; starts Ray if it is not running.

    Finished shards of the same plan are kept. Raises InputError (other plan in the folder, no video on disk, clips that
    cannot be planned) and DiskFull. KeyboardInterrupt leaves whole shards only.
    """
    began = time.monotonic()
    plan = make_plan(job)
    folder = ShardFolder(job, plan)
    with _disk_full_named(folder), folder.locked():
        already_done = folder.open()
        if already_done:
            manifest = read_manifest(folder.out)
            counts = [manifest[name] for name in ("samples", "failed", "bytes")]
        else:
            _write_missing(folder, report)
            total = publish(folder)
            counts = [total.samples, total.failed, total.bytes]
            folder.close()
    samples, failed, size = counts
    return ShardSummary(samples, failed, plan.shards, size, time.monotonic() - began, already_done)


def _write_missing(folder: ShardFolder, report: Report) -> None:
    plan = folder.plan
    missing = [shard for shard in range(plan.shards) if not folder.is_done(shard)]
    total = len(plan.clips)
    done = total - sum(int(plan.bounds[shard + 1] - plan.bounds[shard]) for shard in missing)

    def count(clips: int) -> None:
        nonlocal done
        done += clips
        report(STAGE, done, total)

    count(0)
    if missing:
        with ray_session():
            _run(folder, missing, count)


def _run(folder: ShardFolder, missing: list[int], count: Callable[[int], None]) -> None:
    """Run the tasks, a few at a time; `count` is called with the clips of each shard that is done."""
    import ray

    remote = ray.remote(num_cpus=1)(build_shard)
    window = TASKS_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
    waiting, running = missing[::-1], []
    try:
        while waiting or running:
            while waiting and len(running) < window:
                running.append(remote.remote(_task(folder, waiting.pop())))
            ended, running = ray.wait(running)
            for outcome in ray.get(ended):
                if outcome.disk_full:
                    raise OSError(DISK_FULL[0], "no space left")
                count(outcome.clips)
    except KeyboardInterrupt:
        # Ray 2.60 may abort this process if it cancels a task that is just ending; leaving Ray ends them all.
        ray.shutdown()
        time.sleep(SHUTDOWN_SECONDS)
        folder.remove_temps()
        raise
    except BaseException:
        if running:
            ray.wait(running, num_returns=len(running), timeout=LAST_TASKS_SECONDS)
        folder.remove_temps()
        raise


def _task(folder: ShardFolder, shard: int) -> ShardTask:
    clips = folder.plan.rows(shard)
    videos = {uid: folder.job.videos.get(uid, VideoFile(None)) for uid in clips["video_uid"].unique().to_pylist()}
    return ShardTask(folder.tar(shard), folder.note(shard), clips, videos, folder.job.profile)


@contextmanager
def _disk_full_named(folder: ShardFolder) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        shards = range(folder.plan.shards)
        whole = sum(folder.tar(shard).is_file() for shard in shards)
        raise DiskFull(
            f"no space left in {folder.out}: {whole} of {len(shards)} shards are complete and stay; "
            "free space there and run the same command again"
        ) from error
