"""examples/train.slurm as a scheduler would run it, on one node of two CPU processes."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train.slurm"

SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo "$@" >> "$CALLS"
[[ $1 == show ]] && echo localhost || true
"""


def test_the_shell_reads_it():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)


@pytest.mark.slow
def test_it_trains_and_asks_to_go_on_later(data, tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    # The environment that the script enters is this one, whatever it is.
    (commands / "activate").write_text(f'export PATH="{commands}:{Path(sys.executable).parent}:$PATH"\n')
    paths = {
        "RECIPE": "egovlp-tiny",
        "SHARDS": data / "shards",
        "MCQ_JSON": data / "egomcq.json",
        "MCQ_SHARDS": data / "shards",
        "OUT": tmp_path / "run",
        "VENV": tmp_path,
        "CALLS": tmp_path / "calls",
    }
    slurm = {
        "SLURM_JOB_ID": random.randrange(20_000),
        "SLURM_JOB_NODELIST": "node[1-1]",
        "SLURM_JOB_NUM_NODES": 1,
        "SLURM_GPUS_ON_NODE": 2,
    }
    given = {name: str(value) for name, value in (paths | slurm).items()}
    settings = ("device=cpu", "batch_size=4", "max_steps=2", "data.workers=0", "log_every=1")
    more = [part for setting in settings for part in ("--set", setting)]
    with (tmp_path / "log").open("w+") as log:
        job = subprocess.Popen(
            ["bash", str(SCRIPT), *more], env=os.environ | given, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
        )
        until = time.monotonic() + 60
        while not (tmp_path / "run").exists() and job.poll() is None and time.monotonic() < until:
            time.sleep(0.1)
        job.send_signal(signal.SIGUSR1)  # as before the end of the job's time
        status = job.wait(timeout=120)
        log.seek(0)
        said = log.read()
    assert status == 0, said
    assert "2 steps on 2 x cpu" in said
    assert "step 2/2" in said
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls == ["show hostnames node[1-1]", f"requeue {slurm['SLURM_JOB_ID']}"]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] == 2
    [start] = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert start["ranks"] == sum(start["devices"].values()) == 2
    assert "train.py egovlp-tiny" in start["command"]
