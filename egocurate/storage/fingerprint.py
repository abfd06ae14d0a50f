"""What tells whether a file is still the same."""

import hashlib

from egocurate.storage.paths import AnyPath


def fingerprint(path: AnyPath) -> str:
    """Return "size:sha256" of a file."""
    with path.open("rb") as file:
        return f"{path.stat().st_size}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
