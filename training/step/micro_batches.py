"""The gradient of a batch that is too large for the model at once: part by part, and the whole batch's all the same.

A mean over rows is the mean of its parts. A contrast is not: there the parts are embedded without a gradient, the loss
of all embeddings says what each is to change, and each part is embedded once more to pass that on (GradCache,
2101.06983): the memory of a part for one forward pass more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace

import torch
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
    """Some rows of a batch, what they draw with, and the seed of their dropout."""

    batch: Batch
    step_rng: StepRng
    seed: int
    last: bool


class Learning:
    """The way from a batch to the gradients of a network's parameters."""

    def __init__(self, config: TrainConfig, system: System, network: nn.Module, ranks: Ranks) -> None:
        """Raise InputError for parts that the system cannot have, or that are not equal."""
        self.system, self.network, self.ranks, self.count = system, network, ranks, config.micro_batches
        anchors = config.batch_size // ranks.size
        if self.count < 1 or anchors % self.count:
            raise InputError(f"micro_batches={self.count} does not divide the {anchors} anchors of a rank")
        if self.count > 1 and system.parts == "whole":
            raise InputError(
                f"{config.system} learns from a whole batch at once: leave out micro_batches={self.count} and save "
                "memory with activation_checkpointing=true, or with more ranks"
            )

    def learn(self, batch: Batch, step_rng: StepRng) -> dict[str, Tensor]:
        """Add the gradient of the batch's "loss" to the parameters; returns all its losses, without their graph."""
        if self.count == 1:
            with self.ranks.autocast():
                losses = self.system.losses(self.network, batch, step_rng)
            losses["loss"].backward()
            return _detached(losses)
        parts = list(self._parts(batch, step_rng))
        return self._by_rows(parts) if self.system.parts == "rows" else self._by_embeddings(parts, batch)

    def _by_rows(self, parts: list[MicroBatch]) -> dict[str, Tensor]:
        total: dict[str, Tensor] = {}
        for part in parts:
            with self._sync(part):
                with self.ranks.autocast():
                    losses = self.system.losses(self.network, part.batch, part.step_rng)
                losses = {name: loss / self.count for name, loss in losses.items()}
                losses["loss"].backward()
            total = {name: total.get(name, 0) + loss for name, loss in _detached(losses).items()}
        return total

    def _by_embeddings(self, parts: list[MicroBatch], batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            cached = zip(*(self._embed(part) for part in parts), strict=True)
        whole = tuple(torch.cat(rows).requires_grad_() for rows in cached)
        with self.ranks.autocast():
            losses = self.system.compare(whole, batch)
        wanted = torch.autograd.grad(losses["loss"], whole)
        sizes = [len(part.batch) for part in parts]
        for part, *gradients in zip(parts, *(rows.split(sizes) for rows in wanted), strict=True):
            with self._sync(part):
                torch.autograd.backward(self._embed(part), gradients)
        return _detached(losses)

    def _embed(self, part: MicroBatch) -> tuple[Tensor, ...]:
        torch.manual_seed(part.seed)  # both times the same dropout
        with self.ranks.autocast():
            return self.system.embed(self.network, part.batch, part.step_rng)

    def _sync(self, part: MicroBatch) -> torch.autograd.graph.saved_tensors_hooks | nullcontext:
        """Average gradients over ranks once, in the last part (sharded ones are: nobody keeps them whole)."""
        network = self.network
        return network.no_sync() if isinstance(network, DistributedDataParallel) and not part.last else nullcontext()

    def _parts(self, batch: Batch, step_rng: StepRng) -> Iterator[MicroBatch]:
        """Cut a batch into runs of equally many rows: its anchors, then its negatives."""
        rows = len(batch) // self.count
        seeds = torch.randint(2**62, (self.count,)).tolist()
        for number, seed in enumerate(seeds):
            start = number * rows
            anchors = min(max(step_rng.anchors - start, 0), rows)
            part = _rows(batch, slice(start, start + rows))
            yield MicroBatch(part, replace(step_rng, anchors=anchors), seed, number == self.count - 1)


def _rows(batch: Batch, rows: slice) -> Batch:
    values = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return replace(batch, **{name: value[rows] for name, value in values.items() if value is not None})


def _detached(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: loss.detach() for name, loss in losses.items()}
