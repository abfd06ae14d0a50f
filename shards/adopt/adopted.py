"""What a manifest says of tars that others wrote: where they lie, and which of their members are a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath, as_path, is_remote

ADOPTED = "adopted"
"""Key of the manifest, and name of the profile, of a folder that indexes tars of others."""

_KEYS = {"root", "video", "text"}


def check_adopted(adopted: object, shards: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError unless what a manifest says of adopted tars names plain files below one place."""
    if not (isinstance(adopted, dict) and adopted.keys() == _KEYS):
        raise ValueError(f"{ADOPTED} has not {', '.join(sorted(_KEYS))}")
    if not all(isinstance(value, str) and value.isprintable() for value in adopted.values()):
        raise ValueError(f"{ADOPTED} holds what is no text")
    if not (adopted["root"].startswith("/") or "://" in adopted["root"]):
        raise ValueError(f"root {adopted['root']!r} is neither a whole path nor a URL")
    names = [entry["file"] for entry in shards]
    for name in names:
        plain = isinstance(name, str) and name.isprintable() and name.endswith(".tar") and "\\" not in name
        if not (plain and all(part not in ("", ".", "..") for part in name.split("/"))):
            raise ValueError(f"a shard is called {name!r}")
    if len(set(names)) != len(names):
        raise ValueError("two shards have one name")


def tar_folder(folder: AnyPath, manifest: Mapping[str, Any]) -> AnyPath:
    """Return where the tars of a shard folder lie: in it, or where those that it has adopted are.

    Raises InputError for a folder in a store that would have files of this machine read.
    """
    if ADOPTED not in manifest:
        return folder
    root = as_path(manifest[ADOPTED]["root"])
    if is_remote(folder) and not is_remote(root):
        raise InputError(
            f"{folder} refers to tars at {root}, a folder of some machine: only a folder of this machine may do that; "
            "adopt them into one"
        )
    return root
