"""Recipes by name: each a function that returns a `TrainConfig`, at its published size and as a tiny one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egocurate.training.config.train_config import TrainConfig


class _Recipes(Mapping):
    """Recipe functions by name, each imported when it is asked for: torch is not loaded for the names alone."""

    def __init__(self, modules: dict[str, str]) -> None:
        self._modules = modules

    def __getitem__(self, name: str) -> Callable[[], TrainConfig]:
        module = import_module(f"{__name__}.{self._modules[name]}")
        return getattr(module, name.replace("-", "_"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


RECIPES: Mapping[str, Callable[[], TrainConfig]] = _Recipes(
    {
        "egovlp": "egovlp",
        "egovlp-tiny": "egovlp",
        "egovlpv2": "egovlpv2",
        "egovlpv2-tiny": "egovlpv2",
        "videomae": "videomae",
        "videomae-tiny": "videomae",
        "videoprism-stage1": "videoprism",
        "videoprism-stage1-tiny": "videoprism",
        "videoprism-stage2": "videoprism",
        "videoprism-stage2-tiny": "videoprism",
        "videoprism-lit": "videoprism",
        "videoprism-lit-tiny": "videoprism",
    }
)
"""Name -> recipe; the function of `egovlp-tiny` is `egovlp_tiny` of the module named here."""
