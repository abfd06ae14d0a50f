"""Notes that a run leaves in its folder, as JSON, and that a later run, maybe a stranger's, goes on from."""

import json
from pathlib import Path
from typing import Any

from egocurate.errors import InputError


def read_note(path: Path, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """Return the object (dict) or the list of a JSON file; raises InputError for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); delete it, or take the folder as it was written") from error
    if not isinstance(content, kind):
        what = "list" if kind is list else "object"
        raise InputError(f"{path} holds no {what}; delete it, or take the folder as it was written")
    return content


def read_texts(path: Path) -> dict[str, str]:
    """Return an object of texts; raises InputError, naming the first value that is none."""
    content = read_note(path, dict)
    for name, value in content.items():
        if not isinstance(value, str):
            raise InputError(f"{path}: {name} is {value!r}, no text; take the folder as it was written")
    return content
