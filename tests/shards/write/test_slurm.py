"""examples/curate.slurm as a scheduler would run it, on two nodes that are one machine, with a real Ray cluster."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from egocurate.descendants import descendants, kill

ROOT = Path(__file__).parents[3]
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
echo "$@" >> "$CALLS"
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo 127.0.0.1
echo the-other-node
"""


@pytest.fixture
def ray_folder():
    """Where Ray's sockets lie, whose paths must be short."""
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def commands_of(folder):
    """The processes that work in a folder of Ray's."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in command:
            found.append(command.replace("\0", " "))
    return found


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.tar")}


@pytest.mark.slow
def test_it_cuts_on_a_cluster_of_its_own_and_leaves_none(tiny_root, curate, ray_folder, tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    (commands / "activate").write_text(f'export PATH="{commands}:{Path(sys.executable).parent}:$PATH"\n')
    slurm = {"SLURM_JOB_ID": random.randrange(20_000), "SLURM_JOB_NODELIST": "two", "SLURM_JOB_NUM_NODES": 2}
    paths = {"VENV": tmp_path, "CALLS": tmp_path / "calls", "RAY_TMPDIR": ray_folder, "PYTHONPATH": ROOT}
    given = {name: str(value) for name, value in (slurm | paths | {"SLURM_CPUS_PER_TASK": 1}).items()}
    words = ["segments", "--ego4d-root", str(tiny_root), "--seconds", "4", "--stride", "4", "--out"]
    job = subprocess.Popen(
        ["bash", str(ROOT / "examples" / "curate.slurm"), *words, str(tmp_path / "cluster")],
        env=os.environ | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said, _ = job.communicate(timeout=180)
    finally:
        kill([*descendants([job.pid]), job.pid])
    assert job.returncode == 0, said
    head, other = (tmp_path / "calls").read_text().splitlines()
    assert head.startswith("ray start --head") and other.startswith("ray start --address 127.0.0.1:")
    assert commands_of(ray_folder) == []
    assert curate(*words, tmp_path / "alone").returncode == 0
    assert contents(tmp_path / "cluster") == contents(tmp_path / "alone") != {}
