"""Checkpoints of a run, each whole or not there."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from training.config import TrainConfig
from training.folder import write_json
from training.world import World


class Checkpoints:
    """The folders OUT/checkpoints/step-N, each with model, optimiser (torch's distributed format) and run.json.

    run.json has the step, the stream's state and EgoMCQ before training. Random numbers need no place: those of the
    data and of dropout are functions of seed and step.
    """

    def __init__(self, config: TrainConfig, world: World, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Keep these parts."""
        self.folder, self.keep = Path(config.out) / "checkpoints", config.keep_checkpoints
        self.world, self.model, self.optimiser = world, model, optimiser

    def save(self, step: int, rest: dict[str, Any]) -> None:
        """Write a checkpoint under another name and rename it when it is whole; every rank calls this."""
        whole, writing = self.folder / f"step-{step:08d}", self.folder / "writing"
        if self.world.main:
            shutil.rmtree(writing, ignore_errors=True)
            writing.mkdir(parents=True)
        self.world.barrier()
        model, optimiser = get_state_dict(self.model, self.optimiser)
        parts = {"model": model, "optimiser": optimiser}
        with _alone_on_purpose():
            dcp.save(parts, checkpoint_id=writing, no_dist=self.world.size == 1)
        if self.world.main:
            write_json(writing / "run.json", {"step": step, **rest})
            writing.rename(whole)
            for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
                shutil.rmtree(old)
        self.world.barrier()

    def load(self, checkpoint: Path) -> dict[str, Any]:
        """Bring model and optimiser to where a checkpoint stands; returns its run.json."""
        model, optimiser = get_state_dict(self.model, self.optimiser)
        parts = {"model": model, "optimiser": optimiser}
        with _alone_on_purpose():
            dcp.load(parts, checkpoint_id=checkpoint, no_dist=self.world.size == 1)
        set_state_dict(self.model, self.optimiser, model_state_dict=parts["model"], optim_state_dict=parts["optimiser"])
        return json.loads((checkpoint / "run.json").read_text())


@contextmanager
def _alone_on_purpose() -> Iterator[None]:
    """Keep torch from warning that one process saves alone."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        yield
