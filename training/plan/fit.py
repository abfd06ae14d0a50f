"""Whether a batch fits into the memory of GPUs, and what makes it fit at the least cost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple

from egocurate.errors import InputError
from egocurate.training.config.train_config import TrainConfig

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
SplitsBy = Literal["rows", "embeddings", "tokens", "whole"]


def anchors_per_gpu(config: TrainConfig, gpus: int) -> int:
    """Return the anchors of a rank; raises InputError for GPUs that cannot share the batch equally."""
    if config.batch_size % gpus:
        fewer = next(count for count in range(gpus, 0, -1) if config.batch_size % count == 0)
        raise InputError(f"--gpus {gpus}: cannot share batch_size={config.batch_size} equally; take {fewer}")
    return config.batch_size // gpus


def find_fit(config: TrainConfig, gpus: int, available_bytes: float, splits_by: SplitsBy, measure: Measure) -> Fit:
    """Return the way of least work in which a config's batch fits on so many GPUs; if none does, the smallest.

    measure: what a step in one go takes, of a config and so many anchors. Micro-batches of what splits by rows cost
    nothing, else a second forward pass (`step.micro_batches`), and so does checkpointing.
    """
    anchors, smallest = anchors_per_gpu(config, gpus), None

    def fit(checkpointing: bool, count: int) -> Fit:
        own = replace(config, activation_checkpointing=checkpointing, micro_batches=1)
        measured = measure(own, anchors // count)
        taken = step_bytes(measured, count, gpus, config.parallel)
        work = _work(checkpointing, count, splits_by)
        return Fit(taken <= available_bytes, count, checkpointing, taken, work, measured.flops_per_clip)

    for checkpointing, counts in _ways(config, anchors, splits_by):
        least = bisect_left(counts, True, key=lambda count, way=checkpointing: fit(way, count).fits)
        found = fit(checkpointing, counts[min(least, len(counts) - 1)])
        if found.fits:
            return found
        if smallest is None or found.bytes < smallest.bytes:
            smallest = found
    return smallest


def step_bytes(step: StepMeasure, micro_batches: int, gpus: int, parallel: Literal["ddp", "fsdp"]) -> float:
    """Return what a rank takes of a GPU, whose micro-batch was measured: with the next batch, already there."""
    learned = step.weights + step.optimizer + step.gradients
    if gpus > 1 and parallel == "fsdp":
        learned = learned / gpus + step.weights * GATHERED
    elif gpus > 1:
        learned += step.gradients  # once more, in the buckets that are sent
    return learned + 2 * step.batch * micro_batches + step.activations


def _ways(config: TrainConfig, anchors: int, splits_by: SplitsBy) -> list[tuple[bool, list[int]]]:
    """Return (checkpointing, ascending numbers of micro-batches) in the order of their work, from what is asked for."""
    asked = config.micro_batches or 1
    counts = [count for count in range(asked, anchors + 1) if anchors % count == 0]
    if not counts or counts[0] > asked:
        raise InputError(f"micro_batches={asked} does not divide the {anchors} anchors of a GPU")
    if splits_by == "whole":
        if asked > 1:
            raise InputError(f"{config.system} learns from a whole batch at once: leave out micro_batches={asked}")
        counts = counts[:1]
    checkpointing = [True] if config.activation_checkpointing else [False, True]
    in_one_go, in_parts = [count for count in counts if count == 1], [count for count in counts if count > 1]
    ways = [(one, part) for one in checkpointing for part in (in_one_go, in_parts) if part]
    return sorted(ways, key=lambda way: (_work(way[0], way[1][0], splits_by), way[1][0]))


def _work(checkpointing: bool, micro_batches: int, splits_by: SplitsBy) -> float:
    """Return the work of a step over that of a plain one: each forward pass more is a third."""
    return 1 + (checkpointing + (micro_batches > 1 and splits_by != "rows")) / 3
