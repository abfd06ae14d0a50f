"""A signal ends training with one line, with workers that load and with several ranks; --resume goes on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from egocurate.descendants import descendants, has_ended
from tests.processes import wait_until

ROOT = Path(__file__).parents[3]
LINE = "curate: {}; the same command with --resume goes on from the newest checkpoint"
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def begin(data, out, *launch):
    """Train until there is a checkpoint."""
    settings = ("batch_size=4", "epochs=1000", "checkpoint_every=2", "log_every=1", "device=cpu", "data.workers=2")
    process = subprocess.Popen(
        [
            *(sys.executable, *launch, "-m", "egocurate.train", "egovlp-tiny"),
            *("--shards", data / "shards", "--out", out),
            *(part for setting in settings for part in ("--set", setting)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    wait_until(lambda: list(out.glob("checkpoints/step-*")) or process.poll() is not None, 120)
    return process


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "to_all", "words", "status"),
    [(signal.SIGINT, False, "interrupted", 130), (signal.SIGTERM, True, "ended by SIGTERM", 143)],
)
def test_training_with_workers(data, tmp_path, number, to_all, words, status):
    process = begin(data, tmp_path / "run")
    below = descendants([process.pid])
    os.killpg(process.pid, number) if to_all else process.send_signal(number)
    assert process.communicate(timeout=60)[1] == LINE.format(words) + "\n"
    assert process.returncode == status
    wait_until(lambda: all(map(has_ended, below)))


@pytest.mark.slow
def test_of_many_ranks_one_speaks(data, tmp_path):
    process = begin(data, tmp_path / "run", *TORCHRUN)
    below = descendants([process.pid])
    process.terminate()
    stderr = process.communicate(timeout=60)[1]
    assert [line for line in stderr.splitlines() if line.startswith("curate")] == [LINE.format("ended by SIGTERM")]
    wait_until(lambda: all(map(has_ended, below)))
