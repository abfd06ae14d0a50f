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


@pytest.mark.slow
def test_one_rank_out_of_memory(data, tmp_path):
    done = torchrun(failing(tmp_path, "memory"), *arguments(data, tmp_path / "run"))
    assert done.returncode != 0
    assert "exitcode  : 2" in done.stderr  # as torchrun tells it
    [line] = errors(done.stderr)
    assert line.startswith("curate (rank 1): out of memory on the host: a rank has 4 clips of 4 frames (batch_size=4")
    assert done.stderr.count("Traceback") == 1  # torchrun's own


@pytest.mark.slow
def test_a_mistake_of_all_ranks_is_said_once(data, tmp_path):
    done = torchrun(str(ROOT / "train.py"), *arguments(data, tmp_path / "run", "--set", "data.size=48")[1:])
    [line] = errors(done.stderr)
    assert "data.size=48, but the model's image is 64" in line
    assert done.stderr.count("Traceback") == 1


@pytest.mark.slow
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
    assert "curate (rank 0): another rank ended without a word, or cannot be reached ([" in said[0]
    assert "gloo/transport/tcp" in said[0]
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
    with pytest.raises(InputError, match=rf"cannot meet at 127.0.0.1:{port} \(.*\): --rdzv-endpoint"), explained(tiny):
        dist.TCPStore("127.0.0.1", port, is_master=False, timeout=timedelta(seconds=1))


def test_a_port_that_is_taken(tiny, monkeypatch):
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_ADDR", "localhost")
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(InputError, match=rf"localhost:{port} is taken \(.*EADDRINUSE"), explained(tiny):
            dist.TCPStore("localhost", port, is_master=True, timeout=timedelta(seconds=1))


@pytest.mark.slow
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
        f"curate (rank 0): the port of 127.0.0.1:{where['MASTER_PORT']} is taken (The server socket has failed to "
        f"listen on any local network address. port: {where['MASTER_PORT']}, useIpv6: false, code: -98, name: "
        "EADDRINUSE, message: address already in use): give torchrun another --rdzv-endpoint HOST:PORT"
    ]
    assert "Traceback" not in done.stderr


GLOO = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] "
NCCL = "NCCL error in: ../torch/csrc/distributed/c10d/NCCLUtils.hpp:268, {}, NCCL version 2.21.5\n{}\nLast error:\n{}"


def nccl(kind, usual, last):
    return dist.DistBackendError(NCCL.format(kind, usual, last))


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (RuntimeError(GLOO + "Connection closed by peer [127.0.0.1]:12345"), "pair.cc:534] Connection closed by peer"),
        (RuntimeError(GLOO + "Read error [10.0.0.2]:2111: Connection reset by peer"), "Connection reset by peer)"),
        (RuntimeError(GLOO + "Timed out waiting 1800000ms for recv operation to complete"), "1800000ms"),
        (
            nccl(
                "remote process exited or there was a network error",
                "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting.",
                "socketProgress: Connection closed by remote peer node-7<41036>",
            ),
            "remote process exited or there was a network error",
        ),
        (
            dist.DistBackendError(
                "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE, "
                "Timeout(ms)=600000) ran for 600012 milliseconds before timing out."
            ),
            "OpType=ALLREDUCE",
        ),
        (
            dist.DistNetworkError("Failed to recv, got 0 bytes. Connection was likely closed. Did the server crash?"),
            "0 b",
        ),
    ],
)
def test_a_lost_rank_is_told_of_in_the_words_of_the_library(tiny, monkeypatch, error, kept):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    plain = explain(error, tiny)
    assert isinstance(plain, RankLost)
    assert str(plain).startswith("another rank ended without a word, or cannot be reached (")
    assert kept in str(plain)
    assert "\n" not in str(plain)


USAGE = (
    "invalid usage (run with NCCL_DEBUG=WARN for details)",
    "ncclInvalidUsage: This usually reflects invalid usage.",
)
UNHANDLED = ("unhandled cuda error", "ncclUnhandledCudaError: Call to CUDA function failed.")
SYSTEM = ("unhandled system error", "ncclSystemError: System call (e.g. socket, malloc) failed.")


@pytest.mark.parametrize(
    ("error", "kept", "way_out"),
    [
        (
            nccl(*USAGE, "Duplicate GPU detected : rank 1 and rank 0 both on CUDA device 1b000"),
            "rank 1 and rank 0 both on CUDA device 1b000",
            "--nproc-per-node",
        ),
        (nccl(*UNHANDLED, "Cuda failure 2 'out of memory'"), "Cuda failure 2 'out of memory'", "micro_batches=2"),
        (
            torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be reported at another call."),
            "CUDA error: out of memory",
            "nvidia-smi",
        ),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "CUBLAS_STATUS_ALLOC_FAILED",
            "micro_batches=2",
        ),
        (
            torch.AcceleratorError("CUDA error: invalid device ordinal\nGPU device may be out of range"),
            "CUDA error: invalid device ordinal",
            "CUDA_VISIBLE_DEVICES",
        ),
        (nccl(*SYSTEM, "Bootstrap : no socket interface found"), "no socket interface found", "NCCL_SOCKET_IFNAME"),
        (
            nccl(*SYSTEM, "Error while creating shared memory segment /dev/shm/nccl-5MKrxV (size 33030528)"),
            "/dev/shm/nccl-5MKrxV",
            "--shm-size",
        ),
        (
            RuntimeError(
                "Gloo connectFullMesh failed with [../third_party/gloo/gloo/transport/tcp/pair.cc:144] no error"
            ),
            "pair.cc:144] no error",
            "GLOO_SOCKET_IFNAME",
        ),
        (
            RuntimeError("[enforce fail at ../gloo/transport/tcp/listener.cc:47] bind: Address already in use"),
            "bind: Address already in use",
            "--rdzv-endpoint HOST:PORT",
        ),
        (
            nccl("internal error", "ncclInternalError: Internal check failed.", "Proxy Call to rank 3 failed (Setup)"),
            "Proxy Call to rank 3 failed (Setup)",
            "NCCL_DEBUG=WARN",
        ),
    ],
)
def test_a_cause_is_said_in_the_words_of_the_library_with_the_way_out(tiny, error, kept, way_out):
    plain = explain(error, tiny)
    assert isinstance(plain, InputError)
    assert not isinstance(plain, RankLost)
    assert kept in str(plain)
    assert way_out in str(plain)
    assert "\n" not in str(plain)


def test_a_store_that_breaks_off_is_no_lost_rank(tiny):
    assert explain(ConnectionResetError(104, "Connection reset by peer"), tiny) is None


def alone(data, tmp_path, **env):
    """One rank with a wrong environment, in a process of its own."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "1", "RANK": "0"}
    command = [sys.executable, str(ROOT / "train.py"), *arguments(data, tmp_path / "run")[1:]]
    env = os.environ | where | {"LOCAL_RANK": "0"} | env
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)


@pytest.mark.slow
def test_an_interface_that_is_not_there(data, tmp_path):
    done = alone(data, tmp_path, GLOO_SOCKET_IFNAME="nosuch0")
    [line] = errors(done.stderr)
    assert "Unable to find address for: nosuch0: no network interface has this name" in line
    assert "ip -br address" in line
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.skipif(dist.is_nccl_available(), reason="this torch has NCCL")
def test_a_torch_without_nccl(tiny):
    with pytest.raises(InputError, match="have NCCL built in: this torch cannot bring GPUs together"), explained(tiny):
        dist.init_process_group("nccl", init_method=f"tcp://127.0.0.1:{free_port()}", rank=0, world_size=1)


def test_a_fault_of_the_program_stays_one(tiny):
    with pytest.raises(RuntimeError, match="mat1 and mat2"), explained(tiny):
        torch.ones(2, 3) @ torch.ones(2, 3)
