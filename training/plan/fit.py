"""Whether a batch fits into the memory of GPUs, and what makes it fit at the least cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.step.least_work import SplitsBy, least_work

USABLE = 0.92  # of a GPU's memory: the rest goes to CUDA's context, NCCL's buffers, and holes that the allocator leaves
GATHERED = 1 / 6  # of sharded weights that are whole at a time: two blocks of a dozen


class StepMeasure(NamedTuple):
    """FLOPs of a clip, forward and backward, and the bytes of a step of one rank."""

    flops_per_clip: float
    weights: int
    optimizer: int
    gradients: int
    batch: int
    activations: int
    """the most that there is beside the rest"""


class Fit(NamedTuple):
    """How a rank's batch goes through the model, what it then takes on a GPU, and whether that is there."""

    fits: bool
    micro_batches: int
    activation_checkpointing: bool
    bytes: float
    work: float
    """over that of a step in one go, which the FLOPs of a clip count"""
    flops_per_clip: float


Measure = Callable[[TrainConfig, int], StepMeasure]


def anchors_per_gpu(config: TrainConfig, gpus: int) -> int:
    """Return the anchors of a rank; raises InputError for GPUs that cannot share the batch equally."""
    if config.batch_size % gpus:
        fewer = next(count for count in range(gpus, 0, -1) if config.batch_size % count == 0)
        raise InputError(f"--gpus {gpus}: cannot share batch_size={config.batch_size} equally; take {fewer}")
    return config.batch_size // gpus


def find_fit(config: TrainConfig, gpus: int, available_bytes: float, splits_by: SplitsBy, measure: Measure) -> Fit:
    """Return the way of least work in which a config's batch fits on so many GPUs; if none does, the smallest.

    measure: what a step in one go takes, of a config and so many anchors; the rule is `step.least_work`.
    """
    anchors = anchors_per_gpu(config, gpus)

    def measured(count: int, checkpointing: bool) -> StepMeasure:
        return measure(replace(config, activation_checkpointing=checkpointing, micro_batches=1), anchors // count)

    def taken(count: int, checkpointing: bool) -> float:
        return step_bytes(measured(count, checkpointing), count, gpus, config.parallel)

    split = least_work(config, anchors, available_bytes, splits_by, taken)
    flops = measured(split.micro_batches, split.recompute).flops_per_clip
    return Fit(split.fits, split.micro_batches, split.recompute, split.bytes, split.work, flops)


def step_bytes(step: StepMeasure, micro_batches: int, gpus: int, parallel: Literal["ddp", "fsdp"]) -> float:
    """Return what a rank takes of a GPU, whose micro-batch was measured: with the next batch, already there."""
    learned = step.weights + step.optimizer + step.gradients
    if gpus > 1 and parallel == "fsdp":
        learned = learned / gpus + step.weights * GATHERED
    elif gpus > 1:
        learned += step.gradients  # once more, in the buckets that are sent
    return learned + 2 * step.batch * micro_batches + step.activations
