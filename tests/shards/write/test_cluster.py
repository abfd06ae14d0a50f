"""Ray sessions: one that is there, one that is not, one of several nodes of which one dies."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egocurate.errors import ClusterLost, InputError
from egocurate.shards.profiles import profile
from egocurate.shards.write.job import ShardJob, VideoFile
from egocurate.workers.on_ray import explained

# Slows each shard down, so that there is time to kill a node; tells which nodes were at work.
DRIVE = """
import pickle, sys, time
from pathlib import Path
import ray
import egocurate.shards.write.shard_tasks
from egocurate.shards.write.build_shard import build_shard
from egocurate.ray_session import ray_session
from egocurate.shards.write.write_shards import write_shards
work = Path(sys.argv[1])
def slow(task):
    import os, ray, time
    time.sleep(0.15)
    node = ray.get_runtime_context().get_node_id()
    (Path(sys.argv[1]) / "nodes" / node).touch()
    return build_shard(task)
def report(stage, done, total):
    print(done, flush=True)
if len(sys.argv) > 3:
    egocurate.shards.write.shard_tasks.build_shard = slow
with ray_session(sys.argv[2]):
    write_shards(pickle.loads((work / "job.pickle").read_bytes()), report)
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def drive(work: Path, job: ShardJob, address: str, *slow: str) -> subprocess.Popen:
    (work / "job.pickle").write_bytes(pickle.dumps(job))
    (work / "nodes").mkdir(exist_ok=True)
    root = Path(__file__).parents[3]
    # In another folder than the cluster was started in: workers find the package all the same.
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE.replace("sys.argv[1]", repr(str(work))), str(work), address, *slow],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(root)},
    )


@pytest.mark.slow
def test_a_node_that_dies_costs_nothing(start_cluster, small_videos, make_clips, tmp_path):
    clips = make_clips([("cook", s, s + 1.0) for s in np.linspace(0, 9, 40)])
    column = clips.column_names.index("neighbourhood")
    clips = clips.set_column(column, clips.schema.field(column), clips["narration_ind"].combine_chunks())
    videos = {uid: VideoFile(path) for uid, path in small_videos.items()}
    job = ShardJob(clips, videos, tmp_path / "calm", profile("train"), clips_per_shard=1, num_verbs=118, num_nouns=582)
    cluster = start_cluster(1)
    cluster.add_node("one")
    dying = cluster.add_node("two")
    calm = drive(tmp_path, job, cluster.address)
    _, stderr = calm.communicate(timeout=120)
    assert calm.returncode == 0, stderr
    stormy = drive(tmp_path, replace(job, out=tmp_path / "stormy"), cluster.address, "slow")
    while len(list((tmp_path / "nodes").iterdir())) < 3 and stormy.poll() is None:
        time.sleep(0.02)
    os.kill(dying, signal.SIGKILL)
    rest, stderr = stormy.communicate(timeout=120)
    assert stormy.returncode == 0, stderr
    assert len(list((tmp_path / "nodes").iterdir())) == 3, "all three nodes were at work"
    assert all(line.isdigit() for line in rest.splitlines()) and rest.endswith("40\n"), "Ray prints nothing of its own"
    assert contents(tmp_path / "stormy") == contents(tmp_path / "calm")


SESSION = """
import sys
from egocurate.ray_session import ray_session
from egocurate.errors import InputError
try:
    with ray_session(sys.argv[1]) as dashboard:
        print(dashboard)
except InputError as error:
    print(error)
"""


def session(address: str, **env: str) -> str:
    """Say what opening a session gives: its dashboard, or the line of the error."""
    ended = subprocess.run(
        [sys.executable, "-c", SESSION, address],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env=os.environ | env,
    )
    return ended.stdout.strip()


@pytest.mark.parametrize(
    ("address", "words"),
    [("nonsense", "not an address"), ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1: start one")],
)
def test_an_address_where_nothing_is(address, words):
    said = session(address)
    assert words in said and "\n" not in said


@pytest.mark.slow
def test_a_wrong_token_is_one_line(tmp_path, start_cluster):
    """Only where clusters ask for a token: where this machine has one."""
    cluster = start_cluster(1)
    assert session(cluster.address) == "None"
    if not (Path.home() / ".ray" / "auth_token").exists():
        assert session(cluster.address, RAY_AUTH_TOKEN="0" * 64) == "None"
        return
    said = session(cluster.address, RAY_AUTH_TOKEN="0" * 64, RAY_AUTH_MODE="token")
    assert "refuses this machine's token" in said and "auth_token" in said and "\n" not in said


def test_workers_without_the_package_are_named():
    error = explained(RuntimeError("The remote function failed to import: No module named 'egocurate'"))
    assert isinstance(error, ClusterLost) and isinstance(error, InputError)
    assert "install egocurate" in str(error)
    other = ValueError("else")
    assert explained(other) is other
