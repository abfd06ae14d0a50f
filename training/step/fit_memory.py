"""How a rank's batch goes through the model in the memory that its GPU has: in how many parts, and what is kept.

A step needs memory for what is there whatever the batch (gradients, the optimizer's state) and for what each row keeps
until the backward pass. The second is not guessed: a few blank rows go forward, and the tensors that autograd keeps of
them are added up. A compiled model keeps less, so that is a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn

from egocurate.loaders.batch import Batch
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import recomputed_blocks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.step.blank_batch import blank_batch
from egocurate.training.step.least_work import least_work
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng

GIB = 2**30
_MARGIN = 1.2  # for what lives between two kernels, and for gaps between tensors
_WORKSPACE = 6 * GIB  # for kernels, and for logits that are there while a layer works (`MOST_LOGITS`)
_COUNTED = (1, 2)  # anchors of which the second has what a row more keeps


@dataclass(frozen=True)
class StepMemory:
    """Bytes that a step needs on one GPU beside the weights."""

    fixed: float
    """gradients, the optimizer's state, buckets of data-parallel gradients, weights in half precision"""
    anchor: float
    """kept for the backward pass of an anchor, with its negative"""
    lean_anchor: float
    """the same with activation checkpointing"""
    layer: float
    """what one layer keeps of an anchor: with checkpointing it is there again while its backward pass runs"""

    def of(self, anchors: int, recompute: bool) -> float:
        """Return the bytes that a step on so many anchors at once needs."""
        row = self.lean_anchor + self.layer if recompute else self.anchor
        return self.fixed + anchors * row * _MARGIN


def fitted(config: TrainConfig, system: System, ranks: Ranks, classes: tuple[int, int]) -> tuple[TrainConfig, str]:
    """Return the config with the split that fits this run's GPUs, the same on all ranks, and a line if it is a split.

    classes: how many verbs and nouns the data has. On a CPU, and where `micro_batches` says how many, nothing changes.
    """
    if config.micro_batches:
        return config, ""
    if ranks.device.type != "cuda":
        return replace(config, micro_batches=1), ""
    available = least(torch.cuda.mem_get_info(ranks.device)[0] - _WORKSPACE, ranks)
    return split_for(config, system, ranks, classes, available)


def split_for(
    config: TrainConfig, system: System, ranks: Ranks, classes: tuple[int, int], available: float
) -> tuple[TrainConfig, str]:
    """Return what `fitted` does, for GPUs with so many bytes free."""
    anchors = config.batch_size // ranks.size
    memory = measure(config, system, ranks, classes)
    wanted = config.activation_checkpointing

    def taken(count: int, recompute: bool) -> float:
        return memory.of(anchors // count, recompute)

    split = least_work(config, anchors, available, system.splits_by, taken)
    config = replace(config, micro_batches=split.micro_batches, activation_checkpointing=split.recompute)
    if split.fits and split.micro_batches == 1 and split.recompute == wanted:
        return config, ""
    again = " and activation_checkpointing" if split.recompute and not wanted else ""
    line = (
        f"a step on {anchors:,} anchors at once takes up to {memory.of(anchors, wanted) / GIB:,.0f} GiB, the GPU has "
        f"{available / GIB:,.0f} free: micro_batches={split.micro_batches}{again}"
    )
    return config, line if split.fits else line + ", and even that may not fit: take more ranks or parallel=fsdp"


def least(available: float, ranks: Ranks) -> float:
    """Return the least of the ranks' numbers: they take parts together, so all must take equally many."""
    if ranks.size == 1:
        return available
    number = torch.tensor(float(available), dtype=torch.float64, device=ranks.device)
    dist.all_reduce(number, dist.ReduceOp.MIN)
    return number.item()


def measure(config: TrainConfig, system: System, ranks: Ranks, classes: tuple[int, int]) -> StepMemory:
    """Return what a step of a system needs; every rank calls this, for the losses look at the rows of all."""
    learned = [parameter for parameter in system.model.parameters() if parameter.requires_grad]
    size = sum(parameter.nbytes for parameter in learned)
    copies = 1 + (2 if config.optimizer.kind == "adamw" else 0) + (ranks.size > 1) + (0.5 if ranks.bf16 else 0)
    parts = ranks.size if config.parallel == "fsdp" else 1

    def kept() -> float:
        counts = [system.rows_together * count for count in _COUNTED]
        batches = (blank_batch(config, count, classes, ranks.device, system.label_names or ()) for count in counts)
        few, more = (_kept(config, system, ranks, batch) for batch in batches)
        return (more - few) / (counts[1] - counts[0])

    plain = kept()
    with recomputed_blocks(system.model) as blocks:
        lean = kept()
    return StepMemory(copies * size / parts, plain, lean, (plain - lean) / max(1, len(blocks)))


def _kept(config: TrainConfig, system: System, ranks: Ranks, batch: Batch) -> int:
    step_rng = StepRng(config.data.seed, 0, len(batch) // (2 if config.data.negatives else 1))
    # Not compiled: a teacher would be, for numbers of rows that never come again.
    with torch.compiler.set_stance("force_eager"), kept_tensors(system.model) as kept, ranks.autocast():
        system.losses(system.model, batch, step_rng)
    return sum(kept.values())


@contextmanager
def kept_tensors(model: nn.Module) -> Iterator[dict[int, int]]:
    """Add up what autograd keeps of the work in a block: bytes by memory, each once, without the parameters."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}
    held: list[Tensor] = []  # or a freed tensor's address would be another's

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        yield kept
