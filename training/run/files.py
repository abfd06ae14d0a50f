"""Files of a run, each whole or not there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a file under another name, bring it to the disk and rename it."""
    writing = path.with_name(f".{path.name}.writing")
    write(writing)
    with writing.open("rb") as file:
        os.fsync(file.fileno())
    writing.rename(path)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 (any JSON value)
    """Write a JSON file that is whole or not there."""
    write_whole(path, lambda writing: writing.write_text(json.dumps(value, indent=1)))


def newest_checkpoint(run: Path) -> Path | None:
    """Return the folder of a run's newest whole checkpoint, None if it has none."""
    return max((run / "checkpoints").glob("step-*"), default=None)
