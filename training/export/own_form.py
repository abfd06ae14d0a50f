"""A model under its own names: the form that is read here again."""

from __future__ import annotations

from pathlib import Path

from egocurate.models.weights import save_weights
from egocurate.storage.atomic import write_text
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.run.checkpoint_folders import SAVED_WEIGHTS, TEXT_SIZES, TOKENIZER
from egocurate.training.systems.base import System


def write_own(system: System, config: TrainConfig, folder: Path) -> str:
    """Write a model's own names; `egocurate.load_model` and every verb that takes a run read them again."""
    save_weights(system.model, folder / SAVED_WEIGHTS)
    text = getattr(config.model, "text", None)
    if getattr(text, "pretrained", ""):
        write_text(folder / TEXT_SIZES, system.model.text.model.config.to_json_string())
    if system.tokens:
        system.tokens.save(folder / TOKENIZER)
    if not system.embedding:
        return "curate features FOLDER --videos videos/ --out features/"
    return 'import egocurate\n\nmodel = egocurate.load_model("FOLDER")\nmodel.embed_text(["opens the door"])'
