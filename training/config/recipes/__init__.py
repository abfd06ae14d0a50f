"""Recipes by name: each a function that returns a `TrainConfig`, at its published size and as a tiny one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egocurate.training.config.train_config import TrainConfig


class _Recipes(Mapping):
    """Recipe functions by name, each imported when it is asked for: torch is not loaded for the names alone."""

    def __init__(self, functions: dict[str, str]) -> None:
        """Take `module.function` of each recipe, the module's name as it is in this folder."""
        self._functions = functions

    def __getitem__(self, name: str) -> Callable[[], TrainConfig]:
        module, _, function = self._functions[name].partition(".")
        return getattr(import_module(f"{__name__}.{module}"), function)

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


RECIPES: Mapping[str, Callable[[], TrainConfig]] = _Recipes(
    {
        "egovlp": "egovlp.egovlp_base",
        "egovlp-tiny": "egovlp.egovlp_tiny",
        "egovlpv2": "egovlpv2.egovlpv2_base",
        "egovlpv2-tiny": "egovlpv2.egovlpv2_tiny",
        "videomae": "videomae.videomae_base",
        "videomae-tiny": "videomae.videomae_tiny",
        "egovlp-epic-mir": "retrieve.egovlp_epic_mir",
        "egovlp-epic-mir-tiny": "retrieve.egovlp_epic_mir_tiny",
        "egovlpv2-epic-mir": "retrieve.egovlpv2_epic_mir",
        "egovlpv2-epic-mir-tiny": "retrieve.egovlpv2_epic_mir_tiny",
        "egovlp-charades": "charades.egovlp_charades",
        "egovlp-charades-tiny": "charades.egovlp_charades_tiny",
        "egovlp-oscc": "state_changes.egovlp_oscc",
        "egovlp-oscc-tiny": "state_changes.egovlp_oscc_tiny",
        "egovlp-pnr": "state_changes.egovlp_pnr",
        "egovlp-pnr-tiny": "state_changes.egovlp_pnr_tiny",
        "egovlpv2-egotaskqa": "answers.egovlpv2_egotaskqa",
        "egovlpv2-egotaskqa-tiny": "answers.egovlpv2_egotaskqa_tiny",
        "videoprism-stage1": "videoprism.videoprism_stage1_base",
        "videoprism-stage1-tiny": "videoprism.videoprism_stage1_tiny",
        "videoprism-stage2": "videoprism.videoprism_stage2_base",
        "videoprism-stage2-tiny": "videoprism.videoprism_stage2_tiny",
        "videoprism-lit": "videoprism.videoprism_lit_base",
        "videoprism-lit-tiny": "videoprism.videoprism_lit_tiny",
        "videomae-tune": "classify.videomae_tune",
        "videomae-tune-ssv2": "classify.videomae_tune_ssv2",
        "videomae-tune-tiny": "classify.videomae_tune_tiny",
        "egovlp-probe": "probes.egovlp_probe",
        "egovlp-probe-tiny": "probes.egovlp_probe_tiny",
        "videomae-probe": "probes.videomae_probe",
        "videomae-probe-tiny": "probes.videomae_probe_tiny",
        "videoprism-probe": "probes.videoprism_probe",
        "videoprism-probe-tiny": "probes.videoprism_probe_tiny",
        "encoder-probe": "probes.encoder_probe",
        "encoder-probe-tiny": "probes.encoder_probe_tiny",
        "egovlp-epic-actions": "actions.egovlp_epic_actions",
        "egovlp-epic-actions-tiny": "actions.egovlp_epic_actions_tiny",
        "egovlp-egtea": "actions.egovlp_egtea",
        "egovlp-egtea-tiny": "actions.egovlp_egtea_tiny",
        "egovlp-anticipation": "actions.egovlp_anticipation",
        "egovlp-anticipation-tiny": "actions.egovlp_anticipation_tiny",
    }
)
"""Name -> recipe; no function has the name of a module, or it would hide that."""

PRETRAINING = tuple(
    name
    for name in RECIPES
    if name.removesuffix("-tiny").startswith(("egovlp", "videomae", "videoprism"))
    and name.removesuffix("-tiny").partition("-")[2] in ("", "stage1", "stage2", "lit")
)
"""Names of the recipes that learn from clips and narrations alone; the others are of tasks, and called after them."""
