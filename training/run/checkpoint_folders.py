"""Where the parts of a run's folder stand, checkpoints by step; light to import."""

from __future__ import annotations

from pathlib import Path

TOKENIZER = "tokenizer"
"""Folder of the run's tokenizer."""
LABEL_NAMES = "labels.json"
"""The classes that a run tells apart, by kind of label."""
TEXT_SIZES = "text_tower.json"
"""Sizes of its text tower, where that was loaded by name."""
DIGESTS_FILE = "sha256.json"
"""The fingerprint of every other file of a checkpoint, by name."""
SAVED_MODEL = "egocurate.json"
"""What is said of a model that was given away, in the folder that has it."""
SAVED_WEIGHTS = "model.safetensors"
"""Its weights, where they are in this project's own form or in transformers'."""
OWN_FORM = "safetensors"
"""The form that is read here again."""


def newest_checkpoint(run: Path) -> Path | None:
    """Return the folder of a run's newest whole checkpoint, None if it has none."""
    return max((run / "checkpoints").glob("step-*"), default=None)


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return the folder of the checkpoint that a run wrote after a step."""
    return run / "checkpoints" / f"step-{step:08d}"


def is_saved_model(folder: Path) -> bool:
    """Tell whether a folder holds a model that was given away, in whatever form."""
    return (folder / SAVED_MODEL).is_file()
