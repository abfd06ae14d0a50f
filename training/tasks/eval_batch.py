"""How many clips go through a model at once where nothing is learned: as many as the memory holds, or as told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from egocurate.loaders.workers.host import free_bytes, ranks_here
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.tasks.embed import Embedder

if TYPE_CHECKING:  # systems are tested by tasks, and import them
    from egocurate.training.systems.base import System

MOST = 64  # more are not faster
GPU_SHARE, HOST_SHARE = 0.8, 0.5  # of what is free: the host's memory has decoded clips in it, too


def clips_at_once(config: TrainConfig, system: System, ranks: Ranks) -> int:
    """Return `eval_batch`; where that is 0 a power of two up to MOST whose clips fit (`System.clip_bytes`)."""
    if config.eval_batch:
        return config.eval_batch
    on_gpu = ranks.device.type == "cuda"
    room = GPU_SHARE * _gpu_bytes(ranks.device) if on_gpu else HOST_SHARE * free_bytes() / ranks_here()
    fitting = max(1, min(MOST, int(room) // system.clip_bytes(config.data.frames)))
    return 1 << fitting.bit_length() - 1


def embedder_of(config: TrainConfig, system: System, ranks: Ranks) -> Embedder:
    """Return what embeds the clips and texts of a benchmark, as many at once as the memory that is free now holds."""
    return Embedder(system, ranks, config.data.workers, clips_at_once(config, system, ranks))


def _gpu_bytes(device: torch.device) -> int:
    """Return the bytes that torch can still have of a GPU: those free there, and those that it holds for nothing."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
