"""The note that an invented root leaves when it is whole: the settings that it was made with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note


def is_made(stamp: Path, config: Any, what: str) -> bool:  # noqa: ANN401 (any dataclass)
    """Tell whether the folder of a stamp is whole; raises InputError if it was made with other settings.

    what: what the folder holds, in words for a person.
    """
    if not stamp.exists():
        return False
    if read_note(stamp, dict) != asdict(config):
        raise InputError(f"{stamp.parent} holds {what} made with other settings; delete it or name another folder")
    return True
