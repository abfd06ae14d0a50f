"""What a step costs, and what a device could do: the two parts of model FLOPs utilisation (MFU, 2204.02311)."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor

from egocurate.loaders.batch import Batch
from egocurate.models.counting import FlopCounter
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.gpu_specs import peak_flops
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng

COUNTED_ANCHORS = 4  # anchors of a batch that its work is counted on


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
    labels = {kind: of_kind[rows] for kind, of_kind in batch.labels.items()}
    texts = {name: [values[name][row] for row in rows] for name in ("texts", "text_negatives") if values[name]}
    return replace(batch, labels=labels, **texts, **tensors), anchors / count
