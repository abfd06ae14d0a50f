"""AdamW for towers, and the rate at which it steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

_EMBEDDINGS = ("cls_token", "pos_embed", "temporal_embed", "embeddings.weight", "mask_token", "pool.query")
_EMBEDDINGS += ("text.embed.weight",)


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW and its schedule: a linear rise over warmup_steps, then constant or half a cosine down to 0."""

    lr: float = 3e-5
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: float = 0.0
    beta2: float = 0.999
    eps: float = 1e-6
    clip_grad: float = 0.0
    """largest norm of the gradient; 0 leaves it as it is"""


def adamw(model: nn.Module, config: OptimiserConfig) -> torch.optim.AdamW:
    """Return fused AdamW whose decay pulls on matrices alone: not on biases, norms and embeddings."""
    free, pulled = [], []
    for name, parameter in model.named_parameters():
        (free if parameter.ndim < 2 or name.endswith(_EMBEDDINGS) else pulled).append(parameter)
    groups = [{"params": pulled, "weight_decay": config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, config.beta2), eps=config.eps, fused=True)


def learning_rate(config: OptimiserConfig, step: int, total: int) -> float:
    """Return the rate of one of the steps 0..total-1."""
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.lr
    done = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    return config.lr * 0.5 * (1 + math.cos(math.pi * done))
