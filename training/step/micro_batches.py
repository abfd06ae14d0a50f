"""The gradient of a batch, in one go or in micro-batches where the memory for the whole batch is lacking.

Both give the same gradient. A loss that is a mean over rows is the mean of its micro-batches' losses. A contrast is
not: there the micro-batches are embedded without a gradient, the loss of all embeddings gives the gradient of each
embedding, and each micro-batch is embedded once more to pass that on to the parameters (GradCache, 2101.06983). That
takes the memory of one micro-batch, and one forward pass more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from egocurate.errors import InputError
from egocurate.loaders.batch import Batch
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng


@dataclass(frozen=True)
class MicroBatch:
    """Some rows of a batch, their random numbers, the seed of their dropout, and whether they are the last ones."""

    batch: Batch
    step_rng: StepRng
    seed: int
    last: bool


class BatchGradient:
    """The gradient of a batch's loss, for every parameter of a network."""

    def __init__(self, config: TrainConfig, system: System, network: nn.Module, ranks: Ranks) -> None:
        """Raise InputError for micro-batches that the system cannot learn from, or that are not equally large."""
        self.system, self.network, self.ranks, self.count = system, network, ranks, config.micro_batches or 1
        anchors = config.batch_size // ranks.size
        if anchors % self.count:
            raise InputError(f"micro_batches={self.count} does not divide the {anchors} anchors of a rank")
        if self.count > 1 and system.splits_by == "whole":
            raise InputError(
                f"{config.system} learns from a whole batch at once: leave out micro_batches={self.count} and save "
                "memory with activation_checkpointing=true, or with more ranks"
            )

    def backward(self, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Add the gradient of the batch's "loss" to the parameters; returns all its losses, detached."""
        if self.count == 1:
            with self.ranks.autocast():
                losses = self.system.losses(self.network, batch, step_rng)
            losses["loss"].backward()
            return _detached(losses)
        if self.system.splits_by == "tokens":
            return self._by_tokens(batch, step_rng)
        micro_batches = list(self._split(batch, step_rng))
        if self.system.splits_by == "rows":
            return self._by_rows(micro_batches)
        return self._by_embeddings(micro_batches, batch)

    def _by_rows(self, micro_batches: list[MicroBatch]) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        for part in micro_batches:
            with self._sync(part):
                with self.ranks.autocast():
                    losses = self.system.losses(self.network, part.batch, part.step_rng)
                losses = {name: loss / self.count for name, loss in losses.items()}
                losses["loss"].backward()
            total = {name: total.get(name, 0) + loss for name, loss in _detached(losses).items()}
        return total

    def _by_embeddings(self, micro_batches: list[MicroBatch], batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            cached = zip(*(self._embed(part) for part in micro_batches), strict=True)
        embeddings = tuple(torch.cat(rows).requires_grad_() for rows in cached)
        with self.ranks.autocast():
            losses = self.system.compare(embeddings, batch)
        embedding_gradients = torch.autograd.grad(losses["loss"], embeddings, materialize_grads=True)
        sizes = [len(part.batch) for part in micro_batches]
        for part, *gradients in zip(micro_batches, *(rows.split(sizes) for rows in embedding_gradients), strict=True):
            with self._sync(part):
                learned = [pair for pair in zip(self._embed(part), gradients, strict=True) if pair[0].requires_grad]
                torch.autograd.backward(*zip(*learned, strict=True))
        return _detached(losses)

    def _by_tokens(self, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        rows = len(batch) // self.count
        seeds = torch.randint(2**62, (self.count,)).tolist()
        parts = [(slice(number * rows, (number + 1) * rows), seed) for number, seed in enumerate(seeds)]
        # The bare model: a part's passes do not fit DistributedDataParallel, which averages in the last of them.
        losses = self.system.backward_parts(batch, step_rng, parts)
        if isinstance(self.network, DistributedDataParallel):
            _average([p.grad for p in self.network.parameters() if p.grad is not None], self.ranks.size)
        return _detached(losses)

    def _embed(self, part: MicroBatch) -> tuple[Tensor, ...]:
        torch.manual_seed(part.seed)  # both times the same dropout
        with self.ranks.autocast():
            return self.system.embed(self.network, part.batch, part.step_rng)

    def _sync(self, part: MicroBatch) -> AbstractContextManager:
        """Average gradients over ranks once, in the last micro-batch; sharded gradients are averaged in each."""
        network = self.network
        return network.no_sync() if isinstance(network, DistributedDataParallel) and not part.last else nullcontext()

    def _split(self, batch: Batch, step_rng: StepRng) -> Iterator[MicroBatch]:
        """Cut a batch into micro-batches of equally many rows: first its anchors, then its negatives."""
        rows = len(batch) // self.count
        seeds = torch.randint(2**62, (self.count,)).tolist()
        for number, seed in enumerate(seeds):
            start = number * rows
            anchors = min(max(step_rng.anchors - start, 0), rows)
            part = _rows(batch, slice(start, start + rows))
            yield MicroBatch(part, replace(step_rng, anchors=anchors), seed, number == self.count - 1)


def _rows(batch: Batch, rows: slice) -> Batch:
    values = {field.name: getattr(batch, field.name) for field in fields(batch) if field.name != "labels"}
    labels = {kind: label[rows] for kind, label in batch.labels.items()}
    return replace(batch, **{name: value[rows] for name, value in values.items() if value is not None}, labels=labels)


def _average(gradients: list[Tensor], ranks: int) -> None:
    for work in [dist.all_reduce(gradient, async_op=True) for gradient in gradients]:
        work.wait()
    torch._foreach_div_(gradients, ranks)


def _detached(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: loss.detach() for name, loss in losses.items()}
