"""The forms in which a model is given away, by name; what writes one is imported when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from egocurate.training.run.checkpoint_folders import OWN_FORM

if TYPE_CHECKING:  # names and helps are read without torch
    from egocurate.training.config.train_config import TrainConfig
    from egocurate.training.systems.base import System


@dataclass(frozen=True)
class Form:
    """How a model's files are written, and for whose code."""

    help: str
    library: str
    """that opens it"""
    writer: str
    """`module.function` of this folder"""

    def write(self, system: System, config: TrainConfig, folder: Path) -> str:
        """Write the files into a folder; returns the lines, of Python or of a shell, that open them in FOLDER.

        Raises InputError, one line, for a system that has no such form.
        """
        module, _, function = self.writer.partition(".")
        return getattr(import_module(f"{__package__}.{module}"), function)(system, config, folder)


FORMS: dict[str, Form] = {
    OWN_FORM: Form("own names, which `curate` and egocurate.load_model read again", "egocurate", "own_form.write_own"),
    "hf": Form("for transformers' VideoMAE and VideoPrism", "transformers", "transformers_form.write_transformers"),
    "egovlp": Form("for the code of EgoVLP or EgoVLPv2", "pytorch", "egovlp_form.write_egovlp"),
    "timm": Form("the ViT of single frames for timm", "timm", "timm_form.write_timm"),
}
"""By name, as --to takes it."""
