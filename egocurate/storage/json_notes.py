"""Read a JSON file that may be anybody's: what it should hold, or one line that says what is wrong with it."""

import json
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, read_bytes

AS_WRITTEN = "delete it, or take the folder as it was written"


def read_note(path: AnyPath, kind: type, way_out: str = AS_WRITTEN) -> Any:  # noqa: ANN401 - of that kind
    """Return the object (dict) or the list in a file; raises FileNotFoundError, and InputError for anything else."""
    try:
        content = json.loads(read_bytes(path).decode())
    except (ValueError, RecursionError, IsADirectoryError) as error:
        raise InputError(f"{path} cannot be read ({error}): {way_out}") from error
    if not isinstance(content, kind):
        raise InputError(f"{path} cannot be read (it holds no {'list' if kind is list else 'object'}): {way_out}")
    return content


def read_texts(path: AnyPath) -> dict[str, str]:
    """Return an object of texts; raises as `read_note`, and InputError that names the first value that is none."""
    content = read_note(path, dict)
    for name, value in content.items():
        if not isinstance(value, str):
            raise InputError(f"{path}: {name} is {value!r}, no text; take the folder as it was written")
    return content
