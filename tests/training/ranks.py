"""Ranks as processes of this machine, told of each other as torchrun tells them."""

import multiprocessing
import os
import socket

import torch

# Forked from a process that has imported torch and runs no threads: a rank starts in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
multiprocessing.set_forkserver_preload(["egocurate.train"])


def start(size, work, *args):
    """Begin work(*args) in each of `size` ranks, as one plain process where that is 1; returns the processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = [PROCESSES.Process(target=_rank, args=(rank, size, port, work, args)) for rank in range(size)]
    for rank in ranks:
        rank.start()
    return ranks


def together(size, work, *args):
    """Run work(*args) in each of `size` ranks to its end."""
    ranks = start(size, work, *args)
    for rank in ranks:
        rank.join(120)
    ended = [rank.exitcode for rank in ranks]
    for rank in ranks:
        rank.kill()  # one that hangs would take a core from all tests that follow
    assert ended == [0] * size


def _rank(rank, size, port, work, args):
    torch.set_num_threads(1)
    os.cpu_count = lambda: 1  # or one process takes a thread for each core, which wait for each other on a busy machine
    if size > 1:
        os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(size)}
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    work(*args)
