"""Recipes as the acceptance run has them: no hub, random first weights, clips of the pack again and again."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Literal

from benchmarks.gpu.setup import Setup
from egocurate.models.videoprism.model import PrismVideoTower
from egocurate.models.weights import save_weights
from egocurate.shards.read.index import ShardIndex
from egocurate.training.config.loss_configs import Distillation
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import TrainConfig

SMALL_BATCH = 4
_FIRST_SHARE = 1e-4  # of the folder whose pass is an epoch: a pass then lasts as long as any measurement


def recipe_config(setup: Setup, name: str, profile: Literal["train", "fast"] = "train") -> TrainConfig:
    """Return a recipe on the pack's clips of a profile, at its published size or tiny, with a small batch."""
    config = without_hub(RECIPES[f"{name}-tiny" if setup.small else name]())
    if name == "videoprism-stage2":
        config = replace(config, objective=Distillation(str(_teacher(setup, config)), config.objective.mask))
    config = replace(config, device=setup.device, compile=False, micro_batches=1, max_steps=0, epochs=1_000_000)
    return with_batch(config, setup.shards(profile), SMALL_BATCH)


def without_hub(config: TrainConfig) -> TrainConfig:
    """Return a config that loads neither weights nor a tokenizer: towers of the same sizes, pieces from narrations."""
    text = getattr(config.model, "text", None)
    if hasattr(text, "pretrained"):
        config = replace(config, model=replace(config.model, text=replace(text, pretrained="")))
    return replace(config, video_weights="", tokenizer="")


def with_batch(config: TrainConfig, shards: Path, anchors: int) -> TrainConfig:
    """Return a config whose batches are of so many anchors, however few clips there are, in one long epoch.

    The folder is named as often as a batch needs, as a mixture; a first time with next to no weight, because an epoch
    is a pass over the first folder, and at its end the workers begin anew.
    """
    again = math.ceil(2 * anchors / len(ShardIndex.open(shards)))
    weights = (_FIRST_SHARE, *[(1 - _FIRST_SHARE) / again] * again)
    return replace(config, shards=(str(shards),) * (again + 1), weights=weights, batch_size=anchors)


def _teacher(setup: Setup, config: TrainConfig) -> Path:
    """Write a teacher that has learned nothing, once, and return its file."""
    path = setup.work / f"teacher-{config.model.encoder.width}.safetensors"
    if not path.exists():
        writing = path.with_name(f"writing-{path.name}")
        save_weights(PrismVideoTower(config.model.encoder, config.model.auxiliary_depth), writing)
        writing.rename(path)
    return path
