"""kill -9 at random moments, of everything there is to kill: the folder is the same to the last byte."""

import multiprocessing
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from egocurate.ray_session import use_token
from egocurate.shards.profiles import profile
from egocurate.shards.write.job import ShardJob, VideoFile

SHARDS = 90
DRIVER_KILLS, WORKER_KILLS, CLUSTER_KILLS = 12, 16, 2
WAIT_SEC = 90.0

# Tells of each shard; ends with 3 and one line where the cluster is gone.
DRIVE = """
import os, pickle, sys
from pathlib import Path
from egocurate.ray_session import ray_session
from egocurate.errors import ClusterLost
from egocurate.shards.write.write_shards import write_shards
work = Path(work)
def report(stage, done, total):
    with (work / "told").open("a") as file:
        file.write(f"{done}\\n")
try:
    with ray_session(address):
        write_shards(pickle.loads((work / "job.pickle").read_bytes()), report)
except ClusterLost as error:
    (work / "said").write_text(str(error))
    os._exit(3)
"""


class Driver:
    """A process that writes a job on a cluster."""

    def __init__(self, processes, work: Path, job: ShardJob, address: str) -> None:
        import pickle

        self.told = work / "told"
        self.told.unlink(missing_ok=True)
        (work / "job.pickle").write_bytes(pickle.dumps(job))
        # `exec`: a fork server imports what runs in its children by name, and this module has none.
        self.process = processes.Process(target=exec, args=(DRIVE, {"work": str(work), "address": address}))
        self.process.start()

    def shards_told(self) -> int:
        return len(self.told.read_text().splitlines()) - 1 if self.told.exists() else 0

    def wait_for_a_shard(self) -> bool:
        """Wait until it has finished one more shard than it found; tell whether it is still running."""
        deadline = time.monotonic() + WAIT_SEC
        while self.shards_told() < 1 and self.process.is_alive() and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.process.is_alive()

    def end(self) -> int:
        self.process.join(WAIT_SEC)
        assert not self.process.is_alive(), "the run hangs"
        return self.process.exitcode


@pytest.fixture(scope="module")
def processes():
    use_token()  # before Ray is imported, as `ray_session` does
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ray", "egocurate.shards.write.write_shards"])
    return context


@pytest.fixture(scope="module")
def many_shards(small_videos, make_clips) -> ShardJob:
    """A clip a shard, of two videos, one of them not there to the end, and one more of a video that is not there."""
    rng = np.random.default_rng(0)
    rows = [("cook", s, s + 1.0) for s in np.sort(rng.uniform(0, 10, SHARDS - 19))]
    rows += [("dig", s, s + 1.0) for s in np.sort(rng.uniform(0, 8, 19))] + [("lost", 1.0, 2.0)]
    clips = make_clips(rows)
    clips = clips.set_column(
        clips.column_names.index("neighbourhood"), clips.schema.field("neighbourhood"), pa.array(range(len(rows)))
    )
    videos = {uid: VideoFile(path) for uid, path in small_videos.items()} | {"lost": VideoFile(None)}
    return ShardJob(clips, videos, Path("unset"), profile("train"), clips_per_shard=1, num_verbs=3, num_nouns=5)


@pytest.fixture(scope="module")
def cluster(start_cluster):
    return start_cluster(2)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def expected(many_shards, cluster, processes, tmp_path_factory) -> dict[str, bytes]:
    """The bytes of a run that nobody disturbs."""
    work = tmp_path_factory.mktemp("undisturbed")
    assert Driver(processes, work, replace(many_shards, out=work / "s"), cluster.address).end() == 0
    files = contents(work / "s")
    assert len(files) == SHARDS + 4, "tars, index, manifest, failures, what waits, and nothing else"
    return files


@pytest.mark.slow
def test_the_driver_is_killed(many_shards, cluster, processes, expected, tmp_path, record_property):
    rng = random.Random(1)
    job = replace(many_shards, out=tmp_path / "s")
    kills = 0
    while kills < DRIVER_KILLS:
        driver = Driver(processes, tmp_path, job, cluster.address)
        if not driver.wait_for_a_shard():
            # It was through before it could be killed: the next one begins a folder of its own.
            assert driver.end() == 0 and contents(job.out) == expected
            job = replace(job, out=tmp_path / f"s{kills}")
            continue
        time.sleep(rng.uniform(0, 0.2))
        driver.process.kill()  # nothing if it has just come through
        kills += driver.end() == -signal.SIGKILL
    assert Driver(processes, tmp_path, job, cluster.address).end() == 0
    assert contents(job.out) == expected
    record_property("kills", kills)


@pytest.mark.slow
def test_workers_are_killed_and_the_run_ends_by_itself(
    many_shards, cluster, processes, expected, tmp_path, record_property
):
    rng = random.Random(2)
    kills, runs = 0, 0
    while kills < WORKER_KILLS:
        job = replace(many_shards, out=tmp_path / f"s{runs}")
        runs += 1
        driver = Driver(processes, tmp_path, job, cluster.address)
        driver.wait_for_a_shard()
        while kills < WORKER_KILLS and driver.process.is_alive():
            time.sleep(rng.uniform(0.02, 0.3))
            at_work = cluster.workers("ray::build_shard")
            if at_work:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(rng.choice(at_work), signal.SIGKILL)
                    kills += 1
        assert driver.end() == 0
        assert contents(job.out) == expected
    record_property("kills", kills)


@pytest.mark.slow
def test_the_whole_cluster_is_killed(many_shards, start_cluster, processes, expected, tmp_path, record_property):
    rng = random.Random(3)
    job = replace(many_shards, out=tmp_path / "s")
    for _ in range(CLUSTER_KILLS):
        cluster = start_cluster(2)
        driver = Driver(processes, tmp_path, job, cluster.address)
        assert driver.wait_for_a_shard()
        time.sleep(rng.uniform(0, 0.2))
        cluster.kill()
        assert driver.end() == 3
        said = (tmp_path / "said").read_text()
        assert "\n" not in said and "the same command goes on" in said
        whole = len(list(job.out.glob("egoclip-*.tar")))
        assert f"{whole} of {SHARDS} shards are complete" in said
        assert not list(job.out.rglob(".part-*"))
    assert Driver(processes, tmp_path, job, start_cluster(2).address).end() == 0
    assert contents(job.out) == expected
    record_property("kills", CLUSTER_KILLS)
