"""Shards that are cut by processes of this machine: the same bytes as Ray's, whatever hangs, crashes or is killed."""

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from egocurate.descendants import descendants, has_ended
from egocurate.shards.write.job import VideoFile
from tests.processes import wait_until

ROOT = Path(__file__).parents[3]

# Says of each shard that it is done.
DRIVE = """
import pickle, sys
from pathlib import Path
from egocurate.shards.write.write_shards import write_shards
job = pickle.loads(Path(sys.argv[1]).read_bytes())
write_shards(job, lambda stage, done, total: print(done, flush=True))
"""


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def drive(tmp_path):
    """Begin to write a job in a process of its own, which has no Ray session."""

    def start(job):
        (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
        command = [sys.executable, "-c", DRIVE, str(tmp_path / "job.pickle")]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)

    return start


@pytest.fixture
def undisturbed(drive, job, tmp_path):
    """The bytes of a run that nobody disturbs."""
    job = replace(job, out=tmp_path / "undisturbed")
    process = drive(job)
    assert process.communicate(timeout=120)[1] == ""
    return contents(job.out)


def test_a_video_that_never_opens_costs_its_own_clips(drive, job, tmp_path):
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    job = replace(job, videos=job.videos | {"dig": VideoFile(pipe)}, stall_sec=1.0)
    process = drive(job)
    _, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (0, "")
    failed = pq.read_table(job.out / "failed.parquet").to_pylist()
    assert [row["video_uid"] for row in failed if row["reason"] == "decoder hung"] == ["dig"] * 7
    assert pq.read_metadata(job.out / "index.parquet").num_rows == 14


def test_workers_that_are_killed_cost_nothing(drive, job, undisturbed):
    process, kills = drive(job), 0
    while kills < 4 and process.poll() is None:
        for worker in descendants([process.pid]):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
                kills += 1
        time.sleep(0.3)
    _, stderr = process.communicate(timeout=120)
    assert (process.returncode, stderr) == (0, "")
    assert contents(job.out) == undisturbed


def test_a_run_that_is_killed_leaves_nobody_at_work_and_goes_on_to_the_same_bytes(drive, job, undisturbed):
    process = drive(job)
    assert [int(process.stdout.readline()) > 0 for _ in range(2)] == [False, True]
    workers = descendants([process.pid])
    assert workers
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: all(map(has_ended, workers)))
    again = drive(job)
    assert again.communicate(timeout=120)[1] == ""
    assert contents(job.out) == undisturbed
