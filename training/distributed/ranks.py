"""The processes of a run: how many there are, which of them this is, its device and its precision."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

import torch
import torch.distributed as dist
from torch import Tensor

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig

THREADS = "OMP_NUM_THREADS"
"""the variable by which a user tells torch how many threads of a CPU it may have"""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run: its rank, how many there are, its device, whether towers run in bf16."""

    rank: int
    size: int
    device: torch.device
    bf16: bool
    ends: ExitStack = field(default_factory=ExitStack, compare=False)
    """what must end before the process group does"""

    @property
    def main(self) -> bool:
        """Whether this is the rank that writes and speaks."""
        return self.rank == 0

    def autocast(self) -> torch.autocast:
        """Return a context in which the towers run in the precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def precision_line(self, config: TrainConfig) -> str:
        """Return a line to say where "auto" is not what one expects of a GPU, else nothing."""
        if self.device.type != "cuda" or self.bf16 or config.precision != "auto":
            return ""
        return "precision=auto is float32 here: this GPU has no bf16 of its own"

    def barrier(self) -> None:
        """Wait for the other ranks."""
        if self.size > 1:
            dist.barrier()

    def mean(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Return the mean over ranks of scalars that every rank has by the same names."""
        stacked = torch.stack([value.detach().float() for value in values.values()])
        if self.size > 1:
            dist.all_reduce(stacked)
        return dict(zip(values, (stacked / self.size).tolist(), strict=True))


def single_rank(config: TrainConfig, gpu: int = 0) -> Ranks:
    """Return this process as the only one, on the config's device; raises InputError for a GPU that is not there."""
    cuda = config.device != "cpu" and torch.cuda.is_available()
    if config.device == "cuda" and not cuda:
        raise InputError("device is cuda, but torch sees no GPU: take --set device=cpu, or a torch built for CUDA")
    # Emulated, as on GPUs before Ampere, it is slower than float32.
    native = cuda and torch.cuda.is_bf16_supported(including_emulation=False)
    bf16 = config.precision == "bf16" or (config.precision == "auto" and native)
    return Ranks(0, 1, torch.device("cuda", gpu) if cuda else torch.device("cpu"), bf16)


@contextmanager
def open_ranks(config: TrainConfig) -> Iterator[Ranks]:
    """Join the other ranks if torchrun started this process; raises InputError for a GPU that is not there."""
    local_rank = os.environ.get("LOCAL_RANK")  # how torchrun says which of a machine's processes this is
    single = single_rank(config, int(local_rank or 0))
    cuda = single.device.type == "cuda"
    if cuda:
        torch.cuda.set_device(single.device)
    if local_rank is None:
        # Threads that wait for each other's turn on a core cost more than they bring; a user may know of other work.
        if not cuda and THREADS not in os.environ:
            torch.set_num_threads(max(1, (os.cpu_count() or 1) - config.data.workers))
        with single.ends:
            yield single
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    failed = True
    try:
        with single.ends:
            yield replace(single, rank=dist.get_rank(), size=dist.get_world_size())
        dist.barrier()
        failed = False
    finally:
        gc.collect()  # the data-parallel wrapper is in a cycle and holds the group: freed after it, gloo may abort
        if not (failed and cuda):  # NCCL would wait for ever for ranks that have not failed
            dist.destroy_process_group()
