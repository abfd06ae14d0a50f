"""Recipes by name: each a function that returns a `TrainConfig`, at its published size and as a tiny one."""

from __future__ import annotations

from collections.abc import Callable

from training.config import TrainConfig
from training.recipes.egovlp import egovlp, egovlp_tiny

RECIPES: dict[str, Callable[[], TrainConfig]] = {"egovlp": egovlp, "egovlp-tiny": egovlp_tiny}
