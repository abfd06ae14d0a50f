"""The manifest of a finished shard folder: read as what it is, a stranger's data.

What it names are files of its own folder, or of the one place whose tars it has adopted, and what it counts adds up;
whatever else stands there is refused, so that no reader has to ask again.
"""

from __future__ import annotations

import json
import re
from typing import Any

from egocurate.errors import InputError
from egocurate.labels import check_label_names
from egocurate.shards.adopt.adopted import ADOPTED, check_adopted
from egocurate.shards.shard_format import FORMAT, MANIFEST_FILE, MEMBER_KINDS, MP4, shard_file
from egocurate.shards.write.parts import Part
from egocurate.storage.paths import AnyPath, as_path, read_bytes

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_COUNTS = ("num_verbs", "num_nouns", "samples", "failed", "bytes")


def read_manifest(folder: str | AnyPath) -> dict[str, Any]:
    """Return manifest.json of a finished shard folder; raises InputError if it is none that this version reads."""
    path = as_path(folder) / MANIFEST_FILE
    try:
        manifest = json.loads(read_bytes(path).decode())
        version = manifest["format"]
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there: {folder} is not a finished shard folder") from error
    except (ValueError, KeyError, TypeError, NotADirectoryError, IsADirectoryError, RecursionError) as error:
        raise InputError(f"{path} is not a manifest ({error!r}): write the shards again") from error
    if version != FORMAT:
        raise InputError(f"{path} has format {version!r}, this version reads {FORMAT!r}")
    try:
        _check(manifest)
    except (ValueError, KeyError, TypeError) as error:
        what = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path} is not a manifest ({what}): write the shards again") from error
    return manifest


def _check(manifest: dict[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError for a manifest that names or counts what cannot be."""
    for name in _COUNTS:
        _check_count(name, manifest[name])
    if not (isinstance(manifest["name"], str) and _NAME.fullmatch(manifest["name"])):
        raise ValueError(f"name {manifest['name']!r} is no plain name")
    if not isinstance(manifest.get("lexicon", ""), str):
        raise ValueError("lexicon is no text")
    check_label_names(manifest.get("labels", {}))
    if type(manifest.get("captions", False)) is not bool:
        raise ValueError(f"captions is {manifest['captions']!r}, not true")
    profile, planned = manifest["profile"], manifest["planned"]
    if not (isinstance(profile, dict) and isinstance(profile["name"], str)):
        raise ValueError("profile is none")
    if profile.get("members", MP4) not in MEMBER_KINDS:
        raise ValueError(f"members {profile['members']!r} are not one of {', '.join(MEMBER_KINDS)}")
    _check_digest("plan", manifest["plan"])
    if not (isinstance(planned, dict) and all(isinstance(value, str) for value in planned.values())):
        raise ValueError("planned holds no texts")
    if ADOPTED not in manifest and not _COUNT.fullmatch(planned["clips per shard"]):
        raise ValueError(f"clips per shard are {planned['clips per shard']!r}, no count")
    if "index" in manifest:
        _check_count("bytes of the index", manifest["index"]["bytes"])
        _check_digest("sha256 of the index", manifest["index"]["sha256"])
    if not isinstance(manifest["shards"], list):
        raise ValueError("shards are no list")
    for number, entry in enumerate(manifest["shards"]):
        if ADOPTED not in manifest and entry["file"] != shard_file(manifest["name"], number):
            raise ValueError(f"shard {number} is called {entry['file']!r}")
        for name in ("samples", "bytes"):
            _check_count(f"{name} of {entry['file']}", entry[name])
        _check_digest(f"sha256 of {entry['file']}", entry["sha256"])
    if ADOPTED in manifest:
        check_adopted(manifest[ADOPTED], manifest["shards"])
    for name in ("samples", "bytes"):
        total = sum(entry[name] for entry in manifest["shards"])
        if total != manifest[name]:
            raise ValueError(f"{name} is {manifest[name]}, its shards have {total}")
    _check_parts(manifest)


def _check_parts(manifest: dict[str, Any]) -> None:
    if "parts" not in manifest:  # of the first releases
        return
    if not isinstance(manifest["parts"], list) or not manifest["parts"]:
        raise ValueError("parts are no list of them")
    parts = [Part.from_json(values) for values in manifest["parts"]]
    shards = sum(part.shards for part in parts)
    if shards != len(manifest["shards"]):
        raise ValueError(f"its parts have {shards} shards, it has {len(manifest['shards'])}")


def _check_count(name: str, value: object) -> None:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}, no count")


def _check_digest(name: str, value: object) -> None:
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        raise ValueError(f"{name} is {value!r}, no digest")
