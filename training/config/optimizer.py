"""AdamW or Adafactor for towers, and the rate at which it steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import nn

_EMBEDDINGS = ("cls_token", "pos_embed", "temporal_embed", "embeddings.weight", "mask_token", "pool.query")
_EMBEDDINGS += ("text.embed.weight",)


@dataclass(frozen=True)
class OptimizerConfig:
    """The optimizer and its schedule: a linear rise over the warm-up, then constant, or a fall to the last rate."""

    kind: Literal["adamw", "adafactor"] = "adamw"
    """the rule of a step"""
    lr: float = 3e-5
    """rate at which it steps, after the warm-up"""
    new_lr: float = 0.0
    """of the parts that a system starts from nothing; 0: lr"""
    layer_decay: float = 1.0
    """each layer of a classifier steps at this share of the rate of the layer above it"""
    warmup_steps: int = 0
    """steps over which the rate rises to lr"""
    warmup_epochs: float = 0.0
    """in place of warmup_steps"""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """the rate after the warm-up"""
    final_lr: float = 0.0
    """where linear and cosine end"""
    weight_decay: float = 0.0
    """of matrices alone, not of biases, norms and embeddings"""
    beta1: float = 0.9
    """adamw: memory of the gradient's mean"""
    beta2: float = 0.999
    """adamw: memory of its square"""
    eps: float = 1e-6
    """adamw: added to the root of the square"""
    clip_grad: float = 0.0
    """largest norm of the gradient; 0 leaves it as it is"""


def build_optimizer(
    model: nn.Module,
    config: OptimizerConfig,
    new: Sequence[str] = (),
    layers_above: Callable[[str], int] = lambda name: 0,
) -> torch.optim.Optimizer:
    """Return an optimizer of what learns; only matrices decay, not biases, norms and embeddings.

    new: how the names of parameters begin that step at `new_lr`. layers_above: how many layers are above a parameter,
    by its name, for each of which the rate is multiplied by `layer_decay`. `set_learning_rate` sets the rates.
    """
    import torch  # not above: settings are read, and mistakes in them found, without it

    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decays = parameter.ndim >= 2 and not name.endswith(_EMBEDDINGS)
        rate = config.new_lr / config.lr if config.new_lr and name.startswith(tuple(new)) else 1.0
        rate *= config.layer_decay ** layers_above(name)
        groups.setdefault((config.weight_decay if decays else 0.0, rate), []).append(parameter)
    parts = [{"params": part, "weight_decay": decay, "rate": rate} for (decay, rate), part in groups.items()]
    if config.kind == "adafactor":
        from egocurate.training.config.adafactor import Adafactor  # it needs torch

        return Adafactor(parts, lr=config.lr)
    return torch.optim.AdamW(parts, lr=config.lr, betas=(config.beta1, config.beta2), eps=config.eps, fused=True)


def learning_rate(config: OptimizerConfig, step: int, total: int, steps_per_epoch: int = 0) -> float:
    """Return the rate of one of the steps 0..total-1."""
    warmup = round(config.warmup_epochs * steps_per_epoch) or config.warmup_steps
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "constant":
        return config.lr
    done = (step - warmup) / max(1, total - warmup)
    remaining = 1 - done if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return config.final_lr + (config.lr - config.final_lr) * remaining


def set_learning_rate(
    optimizer: torch.optim.Optimizer, config: OptimizerConfig, step: int, total: int, steps_per_epoch: int
) -> float:
    """Give each group of the optimizer its share of `learning_rate` for a step; returns that rate."""
    rate = learning_rate(config, step, total, steps_per_epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate"]
    return rate
