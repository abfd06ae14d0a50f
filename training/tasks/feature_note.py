"""What features in a folder were made by: a note beside them, and one line for whoever would mix others in."""

from __future__ import annotations

from pathlib import Path

from egocurate.errors import InputError
from egocurate.storage.atomic import write_json
from egocurate.storage.json_notes import read_note
from egocurate.training.distributed.ranks import Ranks

_NOT_ITSELF = {"run"}  # for the reader alone: the weights tell
_DIGESTS = ("weights", "stretches", "texts", "videos")


def claim_features(out: Path, name: str, made_by: dict[str, object], ranks: Ranks) -> None:
    """Write OUT/<name>.json, what the features of that name depend on; every rank calls this.

    Raises InputError if features there were made by something else.
    """
    path = out / f"{name}.json"
    if path.exists():
        old = read_note(path, dict, "name another folder")
        differences = [
            f"other {key}" if key in _DIGESTS else f"{key} ({old.get(key)} -> {made_by[key]})"
            for key in made_by
            if key not in _NOT_ITSELF and old.get(key) != made_by[key]
        ]
        if differences:
            raise InputError(f"{out} holds other features: {', '.join(differences)}; name another folder")
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        out.mkdir(parents=True, exist_ok=True)
        write_json(path, made_by)
    ranks.barrier()
