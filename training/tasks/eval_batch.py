"""How many clips go through a model at once where nothing is learned: as many as the memory holds, or as told."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System

MOST = 64  # more are not faster
GPU_SHARE, HOST_SHARE = 0.8, 0.5  # of what is free: the host's memory has decoded clips in it, too
_MEMINFO, _CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def clips_at_once(config: TrainConfig, system: System, ranks: Ranks) -> int:
    """Return `eval_batch`; where that is 0 a power of two up to MOST whose clips fit (`System.clip_bytes`)."""
    if config.eval_batch:
        return config.eval_batch
    on_gpu = ranks.device.type == "cuda"
    room = GPU_SHARE * _gpu_bytes(ranks.device) if on_gpu else HOST_SHARE * host_bytes() / _ranks_here()
    fitting = max(1, min(MOST, int(room) // system.clip_bytes(config.data.frames)))
    return 1 << fitting.bit_length() - 1


def host_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Return the bytes of host memory that are free, inside a container those that it may still take.

    Where the system tells neither, as if memory had no end.
    """
    free = 2**62
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in lines else free
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.exists() and used.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, max(0, int(most) - int(used.read_text())))
    return free


def _gpu_bytes(device: torch.device) -> int:
    """Return the bytes that torch can still have of a GPU: those free there, and those that it holds for nothing."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def _ranks_here() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
