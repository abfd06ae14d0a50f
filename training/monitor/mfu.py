"""What a step costs, and what a device could do: the two parts of model FLOPs utilisation (MFU, 2204.02311)."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor
from torch.ops import aten
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from egocurate.loaders.batch import Batch
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng

FEW = 4  # anchors that a step's work is counted on

# How to count a product's work; torch's table lacks the attention that a CPU has.
COUNTS = flop_registry | {
    aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[aten._scaled_dot_product_flash_attention]
}

# Peak TFLOP/s in bf16 (tensor cores, sums in fp32, no sparsity; 0: it has no such cores) and in fp32 (no TF32), from
# NVIDIA's and AMD's data sheets and white papers. Keys: the device's name without maker and memory.
PEAKS: dict[str, tuple[float, float]] = {
    "B200": (2250, 75),
    "GH200": (989.4, 67),
    "H200": (989.4, 67),
    "H200 NVL": (835.5, 60),
    "H100": (989.4, 67),
    "H100 NVL": (835.5, 60),
    "H100 PCIE": (756, 51),
    "H20": (148, 44),
    "A100 SXM4": (312, 19.5),
    "A100 PCIE": (312, 19.5),
    "A800 SXM4": (312, 19.5),
    "A30": (165, 10.3),
    "A40": (149.7, 37.4),
    "A10": (125, 31.2),
    "L40S": (362.05, 91.6),
    "L40": (181.05, 90.5),
    "L4": (121, 30.3),
    "V100 SXM2": (0, 15.7),
    "V100 PCIE": (0, 14),
    "T4": (0, 8.1),
    "RTX A6000": (154.8, 38.7),
    "RTX 6000 ADA GENERATION": (364.2, 91.1),
    "RTX 3090": (71, 35.6),
    "RTX 4090": (165.2, 82.6),
    "RTX 5090": (209.5, 104.8),
    "MI300X": (1307.4, 163.4),
}


def peak_flops(name: str, bf16: bool) -> float:
    """Return the FLOP/s that a device of this name has at most; 0 where it is not known, as for a part of a device."""
    words = [word for word in re.split(r"[\s-]+", name.upper()) if word not in ("NVIDIA", "AMD", "TESLA", "GEFORCE")]
    words = [word for word in words if not re.fullmatch(r"\d+GB|HBM\w+|INSTINCT", word)]
    return PEAKS.get(" ".join(words), (0, 0))[0 if bf16 else 1] * 1e12


def ideal_seconds(system: System, batch: Batch, step_rng: StepRng, ranks: Ranks) -> float:
    """Return how long a step on this batch would take at the device's peak, 0 where that is not known.

    Every rank calls this, for the losses look at the rows of all.
    """
    if ranks.device.type != "cuda":
        return 0.0
    work = step_flops(system, batch, step_rng, ranks)  # by all ranks, though one of them may not know its device
    peak = peak_flops(torch.cuda.get_device_name(ranks.device), ranks.bf16)
    return work / peak if peak else 0.0


def step_flops(system: System, batch: Batch, step_rng: StepRng, ranks: Ranks) -> float:
    """Count the FLOPs, two for a multiply-add, of matrix products in a step on this rank's batch, forward and backward.

    A few rows go through the bare model, neither compiled nor data-parallel; every product counts once, and once more
    for each operand that wants a gradient. So what is frozen costs no backward pass, and what activation checkpointing
    works out again does not count.
    """
    few, share = _few(batch, step_rng.anchors)
    with torch.compiler.set_stance("force_eager"), ranks.autocast(), _Products() as found:
        system.losses(system.model, few, replace(step_rng, anchors=min(FEW, step_rng.anchors)))
    return found.flops * share


class _Products(TorchDispatchMode):
    """Adds up the work of matrix products and convolutions, and of their gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:  # noqa: ANN401 (as torch has it)
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        count = COUNTS.get(func._overloadpacket)
        if count is not None:
            wanted = sum(isinstance(a, Tensor) and a.ndim > 1 and a.requires_grad for a in args)  # a bias has one
            self.flops += count(*args, **kwargs, out_val=out) * (1 + min(wanted, 2))
        return out


def _few(batch: Batch, anchors: int) -> tuple[Batch, float]:
    """Return the first anchors, with their negatives, and how many times as many the batch has."""
    count = min(FEW, anchors)
    rows = [start + row for start in range(0, len(batch), anchors) for row in range(count)]
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    tensors = {name: value[rows] for name, value in values.items() if isinstance(value, Tensor)}
    return replace(batch, texts=[batch.texts[row] for row in rows], **tensors), anchors / count
