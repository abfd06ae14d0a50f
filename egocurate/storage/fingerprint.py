"""What tells whether something is still the same: digests of what it holds, never of where it lies."""

import hashlib
import json
from pathlib import Path

from egocurate.storage.paths import AnyPath
from egocurate.storage.remote_file import open_file


def fingerprint(path: AnyPath) -> str:
    """Return "size:sha256" of a file."""
    with open_file(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return f"{file.tell()}:{digest}"


def folder_fingerprint(folder: Path) -> str:
    """Return a digest of the names and the content of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return value_fingerprint([(path.relative_to(folder).as_posix(), fingerprint(path)) for path in files])


def value_fingerprint(value: object) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
