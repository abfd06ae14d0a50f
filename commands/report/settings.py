"""The settings that a folder was made with, in words, and those in which two folders differ."""

from __future__ import annotations

from egocurate.commands.output.output_folder import MCQ_SHARDS, SHARDS
from egocurate.commands.output.run_record import read_run
from egocurate.shards.manifest import read_manifest
from egocurate.shards.shard_format import MANIFEST_FILE
from egocurate.storage.paths import AnyPath

ABSENT = "-"


Settings = dict[str, dict[str, str]]
"""Part of a folder (a run, a folder of shards) -> name of a setting -> its value."""


def read_settings(folder: AnyPath) -> Settings:
    """Return every setting of the runs and shards of a folder; inputs by a part of their fingerprint."""
    found: Settings = {}
    for verb in ("egoclip", "egomcq"):
        record = read_run(folder, verb)
        if record is None:
            continue
        found[verb] = {_words(name): _show(value) for name, value in record["config"].items()}
        found[verb] |= {f"fingerprint of {name}": str(value)[:12] for name, value in record["inputs"].items()}
        found[verb]["made by egocurate"] = record.get("versions", {}).get("egocurate", ABSENT)
    for name in (SHARDS, MCQ_SHARDS):
        if (folder / name / MANIFEST_FILE).exists():
            profile = read_manifest(folder / name)["profile"]
            found[name] = {_words(key): _show(value) for key, value in profile.items()}
    return found


def differing(one: Settings, other: Settings) -> list[tuple[str, str, str]]:
    """Return (name, value here, value there) of what two folders do not share; a part that one lacks is one row."""
    rows = []
    for part in dict.fromkeys([*one, *other]):
        here, there = one.get(part), other.get(part)
        if here is None or there is None:
            rows.append((part, *("not made" if side is None else "made" for side in (here, there))))
            continue
        both = ((name, here.get(name, ABSENT), there.get(name, ABSENT)) for name in dict.fromkeys([*here, *there]))
        rows += [(f"{part}: {name}", *values) for name, *values in both if values[0] != values[1]]
    return rows


def _words(name: str) -> str:
    return name.replace("_", " ")


def _show(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or ABSENT
    return ABSENT if value in (None, "") else str(value)
