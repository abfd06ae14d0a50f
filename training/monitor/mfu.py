"""What a step costs, and what a device could do: the two parts of model FLOPs utilisation (MFU, 2204.02311)."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import torch
from torch import Tensor

from egocurate.loaders.batch import Batch
from egocurate.models.counting import FlopCounter
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng

COUNTED_ANCHORS = 4  # anchors of a batch that its work is counted on

# Peak TFLOP/s in bf16 (tensor cores, sums in fp32, no sparsity; 0: it has no such cores) and in fp32 (no TF32), from
# NVIDIA's and AMD's data sheets and white papers. Keys: the device's name without maker and memory.
PEAKS: dict[str, tuple[float, float]] = {
    "B300 SXM6 AC": (2250, 75),
    "GB300": (2500, 80),
    "B200": (2250, 75),
    "GB200": (2500, 80),
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
    "RTX PRO 6000 BLACKWELL WORKSTATION EDITION": (503.8, 126),
    "RTX PRO 6000 BLACKWELL MAX Q WORKSTATION EDITION": (438.9, 109.7),
    "RTX PRO 6000 BLACKWELL SERVER EDITION": (480, 120),
    "RTX 3090": (71, 35.6),
    "RTX 4090": (165.2, 82.6),
    "RTX 5090": (209.5, 104.8),
    "MI300X": (1307.4, 163.4),
}


# Multiprocessors of whole devices that can be cut in slices (MIG), under the names that they have above.
WHOLE: dict[str, int] = {
    **{"GB200": 152, "B200": 148, "GH200": 132, "H200": 132, "H200 NVL": 132, "H100": 132, "H100 NVL": 132},
    **{"H100 PCIE": 114, "A100 SXM4": 108, "A100 PCIE": 108, "A30": 56},
}


def peak_flops(name: str, bf16: bool, processors: int = 0) -> float:
    """Return the FLOP/s that a device of this name has at most; 0 where it is not known.

    processors: its multiprocessors, by which a slice of a device (MIG) has its share of the whole.
    """
    words = [word for word in re.split(r"[\s-]+", name.upper()) if word not in ("NVIDIA", "AMD", "TESLA", "GEFORCE")]
    words = [word for word in words if not re.fullmatch(r"\d+GB|HBM\w+|INSTINCT", word)]
    is_slice = "MIG" in words
    device = " ".join(words[: words.index("MIG")] if is_slice else words)
    peak = PEAKS.get(device, (0, 0))[0 if bf16 else 1] * 1e12
    if not is_slice:
        return peak
    return peak * processors / WHOLE[device] if device in WHOLE else 0.0


def peak_seconds(system: System, batch: Batch, step_rng: StepRng, ranks: Ranks) -> float:
    """Return how long a step on this batch would take at the device's peak, 0 where that is not known.

    Every rank calls this, for the losses look at the rows of all.
    """
    if ranks.device.type != "cuda":
        return 0.0
    work = step_flops(system, batch, step_rng, ranks)  # on all ranks, even if one of them does not know its device
    device = torch.cuda.get_device_properties(ranks.device)
    peak = peak_flops(device.name, ranks.bf16, device.multi_processor_count)
    return work / peak if peak else 0.0


def step_flops(system: System, batch: Batch, step_rng: StepRng, ranks: Ranks) -> float:
    """Count the FLOPs, two for a multiply-add, of matrix products in a step on this rank's batch, forward and backward.

    A few rows go forward through the bare model, neither compiled nor data-parallel (see `models.counting`): what is
    frozen costs no backward pass, and what activation checkpointing works out again does not count.
    """
    few_rows, times = _first_rows(batch, step_rng.anchors)
    with torch.compiler.set_stance("force_eager"), ranks.autocast(), FlopCounter() as counter:
        system.losses(system.model, few_rows, replace(step_rng, anchors=min(COUNTED_ANCHORS, step_rng.anchors)))
    return counter.flops * times


def _first_rows(batch: Batch, anchors: int) -> tuple[Batch, float]:
    """Return the first anchors, with their negatives, and how many times as many the batch has."""
    count = min(COUNTED_ANCHORS, anchors)
    rows = [start + row for start in range(0, len(batch), anchors) for row in range(count)]
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    tensors = {name: value[rows] for name, value in values.items() if isinstance(value, Tensor)}
    return replace(batch, texts=[batch.texts[row] for row in rows], **tensors), anchors / count
