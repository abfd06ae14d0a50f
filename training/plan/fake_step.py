"""A training step of any size on shapes alone: the real system, optimizer and gradient, on the device of a plan."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from egocurate.loaders.batch import Batch
from egocurate.loaders.clip_stream import Stream
from egocurate.models.tokenizer import train_tokenizer
from egocurate.models.videoprism.distillation import frozen_teacher
from egocurate.models.videoprism.model import PrismVideoTower
from egocurate.storage.atomic import write_json
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_folders import LABEL_NAMES
from egocurate.training.step.blank_batch import blank_batch
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import SYSTEMS, System
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.videoprism import DistillationSystem

CLASSES = 118, 582  # verbs and nouns of Ego4D's taxonomy
LABELS = 400  # classes of Kinetics


@dataclass
class TrainingStep:
    """What a step of one rank needs; `run` takes it."""

    system: System
    optimizer: torch.optim.Optimizer
    gradient: BatchGradient
    batch: Batch
    rng: StepRng

    def begin_optimizer(self) -> None:
        """Give the optimizer its state, as after a first step."""
        for parameter in self.parameters():
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def run(self) -> None:
        """Learn from the batch."""
        self.gradient.backward(self.batch, self.rng)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Give the parameters that learn."""
        return (parameter for parameter in self.system.model.parameters() if parameter.requires_grad)


class _Untaught(DistillationSystem):
    def load_teacher(self, tower: PrismVideoTower, config: TrainConfig, data: Stream | None) -> nn.Module:
        return frozen_teacher(tower)


_SYSTEMS = SYSTEMS | {"videoprism-stage2": _Untaught}  # each builds itself without a file


def training_step(config: TrainConfig, anchors: int, device: torch.device, *, bf16: bool) -> TrainingStep:
    """Return the step of a rank with so many anchors: eager, of a model with new weights and new words."""
    ranks = Ranks(0, 1, device, bf16)
    with _self_contained(replace(config, batch_size=anchors, compile=False, parallel="ddp")) as own:
        system = _SYSTEMS[own.system](own, None, ranks)
    network = wrap_for_ranks(system.model, own, ranks)
    return TrainingStep(
        system,
        build_optimizer(system.model, own.optimizer, system.new_parameters, system.layers_above),
        BatchGradient(own, system, network, ranks),
        blank_batch(own, anchors, CLASSES, device, system.label_names or ()),
        StepRng(0, 0, anchors),
    )


@contextmanager
def _self_contained(config: TrainConfig) -> Iterator[TrainConfig]:
    """Give the config with nothing to load: a tokenizer of its own, a model of the same size with new weights."""
    own = replace(config, start="", video_weights="", model=_new(config.model))
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(config.objective, Classification):
            names = {kind: [str(number) for number in range(LABELS)] for kind in config.objective.labels or ("label",)}
            write_json(Path(folder) / LABEL_NAMES, names)
            # What is done to pixels before the model takes no part of its memory, and draws on a real device.
            own = replace(own, out=folder, objective=replace(config.objective, rand_augment=0, erasing=0.0))
        train_tokenizer(["puts a cup on the table"]).save_pretrained(folder)
        yield replace(own, tokenizer=folder)


def _new(sizes: Any) -> Any:  # noqa: ANN401 (any dataclass of sizes)
    """Return sizes of a model of which no part is loaded; a pretrained text tower has the sizes of its class."""
    text = getattr(sizes, "text", None)
    if not getattr(text, "pretrained", ""):
        return sizes
    return replace(sizes, text=replace(text, pretrained=""))
