"""Read a JSON file that may be anybody's: one object, or one line that says what is wrong with it."""

from __future__ import annotations

import json
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, read_bytes


def read_json_object(path: AnyPath, way_out: str) -> dict[str, Any]:
    """Return the object in a file; raises FileNotFoundError, and InputError with a way out for what holds none."""
    try:
        value = json.loads(read_bytes(path).decode())
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be read ({error}): {way_out}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} cannot be read (it holds no object): {way_out}")
    return value
