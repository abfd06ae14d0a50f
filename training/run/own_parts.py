"""What a run keeps of the tokenizer and the pretrained tower that it began with, so that its folder is all it needs.

Weights are in its checkpoints. Beside them it has the tokenizer, whoever made it, and the sizes of a text tower that
was loaded by name: whoever evaluates the run, or goes on with it, asks neither the hub nor other folders.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from egocurate.storage.atomic import write_json, write_text
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.checkpoint_folders import LABEL_NAMES, TEXT_SIZES, TOKENIZER

if TYPE_CHECKING:  # settings are read without torch
    from egocurate.training.systems.base import System

_STARTS = ("video_weights", "start")  # what a run began from, which its checkpoint has replaced


def save_own_parts(config: TrainConfig, system: System) -> None:
    """Write the tokenizer, the label names and the sizes of a pretrained text tower, if there are some, to OUT."""
    out = Path(config.out)
    if system.tokens:
        system.tokens.save(out / TOKENIZER)
    if system.label_names:
        write_json(out / LABEL_NAMES, system.label_names)
    if _pretrained(config):
        write_text(out / TEXT_SIZES, system.model.text.model.config.to_json_string())


def with_own_parts(config: TrainConfig) -> TrainConfig:
    """Return the config of a run that has a checkpoint, so that it is built from nothing but its folder."""
    out = Path(config.out)
    config = replace(config, **dict.fromkeys(_STARTS, ""))
    if (out / TOKENIZER).is_dir():
        config = replace(config, tokenizer=str(out / TOKENIZER))
    if _pretrained(config) and (out / TEXT_SIZES).is_file():
        text = replace(config.model.text, pretrained=str(out / TEXT_SIZES))
        config = replace(config, model=replace(config.model, text=text))
    return config


def _pretrained(config: TrainConfig) -> str:
    return getattr(getattr(config.model, "text", None), "pretrained", "")
