"""This process among all: ranks, devices, precision."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig


@dataclass(frozen=True)
class Ranks:
    """This process among all: its rank, how many there are, its device, and whether the towers run in bf16."""

    rank: int
    size: int
    device: torch.device
    bf16: bool
    ends: ExitStack = field(default_factory=ExitStack, compare=False)
    """what must end before the ranks part"""

    @property
    def main(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    def autocast(self) -> torch.autocast:
        """Return the precision of the towers."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            dist.barrier()

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Return the mean over ranks of scalars that every rank has by the same names."""
        stacked = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            dist.all_reduce(stacked)
        return dict(zip(values, (stacked / self.size).tolist(), strict=True))


@contextmanager
def open_ranks(config: TrainConfig) -> Iterator[Ranks]:
    """Join the other ranks if torchrun started this process; raises InputError for a GPU that is not there."""
    cuda = config.device != "cpu" and torch.cuda.is_available()
    if config.device == "cuda" and not cuda:
        raise InputError("device is cuda, but torch sees no GPU: take --set device=cpu, or a torch built for CUDA")
    local = os.environ.get("LOCAL_RANK")  # torchrun's way to tell
    device = torch.device("cuda", int(local or 0)) if cuda else torch.device("cpu")
    bf16 = config.precision == "bf16" or (config.precision == "auto" and cuda)
    if cuda:
        torch.cuda.set_device(device)
    if local is None:
        if not cuda:  # threads that wait for each other's turn on a core cost more than they bring
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - config.data.workers))
        with ExitStack() as ends:
            yield Ranks(0, 1, device, bf16, ends)
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    failed = True
    try:
        with ExitStack() as ends:
            yield Ranks(dist.get_rank(), dist.get_world_size(), device, bf16, ends)
        dist.barrier()
        failed = False
    finally:
        gc.collect()  # the data-parallel wrapper is in a cycle and holds the group: freed after it, gloo may abort
        if not (failed and cuda):  # NCCL would wait for ever for ranks that have not failed
            dist.destroy_process_group()
