"""Recipes by name: each a function that returns a `TrainConfig`, at its published size and as a tiny one."""

from __future__ import annotations

from collections.abc import Callable

from egocurate.training.config.recipes.egovlp import egovlp, egovlp_tiny
from egocurate.training.config.recipes.egovlpv2 import egovlpv2, egovlpv2_tiny
from egocurate.training.config.recipes.videomae import videomae, videomae_tiny
from egocurate.training.config.recipes.videoprism import (
    videoprism_lit,
    videoprism_lit_tiny,
    videoprism_stage1,
    videoprism_stage1_tiny,
    videoprism_stage2,
    videoprism_stage2_tiny,
)
from egocurate.training.config.train_config import TrainConfig

RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "egovlp": egovlp,
    "egovlp-tiny": egovlp_tiny,
    "egovlpv2": egovlpv2,
    "egovlpv2-tiny": egovlpv2_tiny,
    "videomae": videomae,
    "videomae-tiny": videomae_tiny,
    "videoprism-stage1": videoprism_stage1,
    "videoprism-stage1-tiny": videoprism_stage1_tiny,
    "videoprism-stage2": videoprism_stage2,
    "videoprism-stage2-tiny": videoprism_stage2_tiny,
    "videoprism-lit": videoprism_lit,
    "videoprism-lit-tiny": videoprism_lit_tiny,
}
