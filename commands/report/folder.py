"""What an output folder holds, as its run records and its shards tell."""

from __future__ import annotations

import json

from egocurate.commands.jobs.cutting import MCQ_SHARDS, SHARDS
from egocurate.commands.jobs.run_record import read_run
from egocurate.shards.read.index import ShardIndex
from egocurate.storage.paths import AnyPath


def describe_folder(folder: AnyPath) -> dict[str, dict]:
    """Return the counts of the runs of `egoclip` and `egomcq` and of the shards, by name; only what is there."""
    parts: dict[str, dict] = {}
    for verb in ("egoclip", "egomcq"):
        record = read_run(folder, verb)
        if record:
            parts[verb] = record["counts"] | {"config": record["config"]}
    for name in (SHARDS, MCQ_SHARDS):
        if (folder / name / "manifest.json").exists():
            index = ShardIndex.open(folder / name)
            manifest = json.loads((folder / name / "manifest.json").read_text())
            parts[name] = {"samples": len(index), "shards": len(manifest["shards"]), "bytes": manifest["bytes"]}
    return parts
