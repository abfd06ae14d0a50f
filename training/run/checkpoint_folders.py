"""Where the checkpoints of a run stand, by step; light to import."""

from __future__ import annotations

from pathlib import Path

DIGESTS_FILE = "sha256.json"
"""The fingerprint of every other file of a checkpoint, by name."""


def newest_checkpoint(run: Path) -> Path | None:
    """Return the folder of a run's newest whole checkpoint, None if it has none."""
    return max((run / "checkpoints").glob("step-*"), default=None)


def checkpoint_folder(run: Path, step: int) -> Path:
    """Return the folder of the checkpoint that a run wrote after a step."""
    return run / "checkpoints" / f"step-{step:08d}"
