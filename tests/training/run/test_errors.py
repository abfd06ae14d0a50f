"""What goes wrong is one line that says what to change, whatever the number of ranks."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from egocurate.errors import InputError
from egocurate.training.run.errors import RankLost, explain, explained

ROOT = Path(__file__).parents[3]

FAILING = """
import os, signal, sys
sys.path.insert(0, {root!r})
import torch
torch.set_num_threads(1)
from egocurate.commands.curate import main
from egocurate.training.systems.egovlp import EgoVLPSystem

plain, steps = EgoVLPSystem.losses, 0

def losses(self, *given):
    global steps
    steps += 1
    if steps == 2 and os.environ["RANK"] == "1":
        if {how!r} == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        torch.empty(2**58)
    return plain(self, *given)

EgoVLPSystem.losses = losses
main()
"""


def failing(tmp_path, how):
    script = tmp_path / "failing.py"
    script.write_text(FAILING.format(root=str(ROOT), how=how))
    return str(script)


def arguments(data, out, *more):
    settings = ("batch_size=4", "max_steps=3", "device=cpu", "data.workers=0")
    return [
        *("train", "egovlp-tiny", "--shards", str(data / "shards"), "--out", str(out)),
        *(part for setting in settings for part in ("--set", setting)),
        *more,
    ]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def torchrun(*command):
    started = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *command]
    return subprocess.run(started, capture_output=True, text=True, timeout=120, cwd=ROOT)


def errors(text):
    return [line for line in text.splitlines() if line.startswith("curate")]


def test_one_rank_out_of_memory(data, tmp_path):
    done = torchrun(failing(tmp_path, "memory"), *arguments(data, tmp_path / "run"))
    assert done.returncode != 0
    assert "exitcode  : 2" in done.stderr  # as torchrun tells it
    [line] = errors(done.stderr)
    assert line.startswith("curate (rank 1): out of memory on the host: a rank has 4 clips of 4 frames (batch_size=4")
    assert done.stderr.count("Traceback") == 1  # torchrun's own


def test_a_mistake_of_all_ranks_is_said_once(data, tmp_path):
    done = torchrun(str(ROOT / "train.py"), *arguments(data, tmp_path / "run", "--set", "data.size=64")[1:])
    [line] = errors(done.stderr)
    assert "data.size=64, but the model's image is 32" in line
    assert done.stderr.count("Traceback") == 1


def test_a_killed_rank_is_told_of_by_another(data, tmp_path):
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    command = [sys.executable, failing(tmp_path, "killed"), *arguments(data, tmp_path / "run")]
    ranks = [
        subprocess.Popen(
            command, env=os.environ | where | {"RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True
        )
        for rank in "01"
    ]
    said = [process.communicate(timeout=120)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [2, -signal.SIGKILL]
    assert errors(said[0]) == [said[0].splitlines()[-1]]
    assert "curate (rank 0): another rank ended without a word" in said[0]
    assert "--resume" in said[0]
    assert "Traceback" not in said[0]


def test_out_of_memory_on_a_gpu(tiny, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    said = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139.80 GiB of which 1.00 GiB"
    with pytest.raises(InputError) as raised, explained(replace(tiny, batch_size=64)):
        raise torch.OutOfMemoryError(said)
    assert str(raised.value) == (
        "out of memory on the GPU (20.00 GiB more than its 139.80 GiB hold): a rank has 64 clips of 4 frames "
        "(batch_size=64, 2 ranks); --set activation_checkpointing=true, --set micro_batches=2 or more, more ranks, "
        "or a smaller batch_size or data.frames"
    )


def test_a_full_disk(tiny):
    with pytest.raises(InputError, match=r"/dev/full: No space left.*--resume goes on"), explained(tiny):
        try:
            Path("/dev/full").write_text("a")
        except OSError as error:  # the write itself does not say where
            error.filename = "/dev/full"
            raise
    with pytest.raises(FileNotFoundError), explained(tiny):
        Path("/nowhere/at/all").write_text("a")


def test_ranks_that_do_not_meet(tiny, monkeypatch):
    port = free_port()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    with pytest.raises(InputError, match=f"cannot meet at 127.0.0.1:{port}: --rdzv-endpoint"), explained(tiny):
        dist.TCPStore("127.0.0.1", port, is_master=False, timeout=timedelta(seconds=1))


def test_a_port_that_is_taken(tiny, monkeypatch):
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_ADDR", "localhost")
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(InputError, match=f"localhost:{port} is taken"), explained(tiny):
            dist.TCPStore("localhost", port, is_master=True, timeout=timedelta(seconds=1))


def test_a_port_that_is_taken_is_said_by_the_rank_that_needs_it(data, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()  # and never answers
        where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(taken.getsockname()[1]), "WORLD_SIZE": "2"}
        command = [sys.executable, str(ROOT / "train.py"), *arguments(data, tmp_path / "run")[1:]]
        env = os.environ | where | {"RANK": "0", "LOCAL_RANK": "0"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 2
    assert errors(done.stderr) == [
        f"curate (rank 0): the port of 127.0.0.1:{where['MASTER_PORT']} is taken: give torchrun another "
        "--rdzv-endpoint HOST:PORT"
    ]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "said",
    [
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:12345",
        "NCCL error in: ProcessGroupNCCL.cpp:1234, remote process exited or there was a network error",
    ],
)
def test_a_lost_rank(tiny, said):
    assert isinstance(explain(RuntimeError(said), tiny), RankLost)


def test_a_fault_of_the_program_stays_one(tiny):
    with pytest.raises(RuntimeError, match="mat1 and mat2"), explained(tiny):
        torch.ones(2, 3) @ torch.ones(2, 3)
