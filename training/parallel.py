"""One model on many ranks."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from training.config import TrainConfig
from training.world import World


def spread(model: nn.Module, config: TrainConfig, world: World) -> nn.Module:
    """Return the model as the loop runs it: compiled if asked for, gradients averaged over ranks."""
    network: nn.Module = torch.compile(model) if config.compile else model
    return DistributedDataParallel(network) if world.size > 1 else network
