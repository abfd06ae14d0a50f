"""The folder of a run: the config that it was started with, and whether a run may go on there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.atomic import remove_leftovers, write_json
from egocurate.training.config.train_config import MAY_CHANGE, TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoints import newest_checkpoint
from egocurate.training.run.run_inputs import check_sources, note_inputs
from egocurate.training.run.versions import versions

RECIPE, VERSIONS = "recipe.json", "versions.json"


def find_checkpoint(config: TrainConfig, resume: bool) -> Path | None:
    """Return the newest checkpoint in the folder OUT, None if there is none to go on from.

    Raises InputError if OUT holds a run and this is no resume, or a resume with other settings, weights or tokenizer.
    """
    if not config.out:
        raise InputError("a run needs a folder: --out OUT")
    out = Path(config.out)
    if not (out / RECIPE).exists():
        return None
    if not resume:
        raise InputError(f"{out} holds a run already: add --resume to go on with it, or name another folder")
    old, new = _flat(json.loads((out / RECIPE).read_text())), _flat(json.loads(json.dumps(asdict(config))))
    may_differ = {*MAY_CHANGE, *check_sources(config, old)}
    keys = [key for key in new if key not in may_differ and old.get(key) != new[key]]
    if keys:
        named = ", ".join(f"{key} ({old.get(key)} -> {new[key]})" for key in keys)
        raise InputError(f"{out} holds a run with other settings: {named}; repeat them, or name another folder")
    return newest_checkpoint(out)


def claim_run(config: TrainConfig, ranks: Ranks) -> None:
    """Make OUT the folder of this run; every rank calls this once nothing can be wrong with what was given.

    versions.json lists the starts of the run, the last one last.
    """
    started, out = versions(ranks), Path(config.out)
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        write_json(out / RECIPE, asdict(config))
        note_inputs(config)
        before = json.loads((out / VERSIONS).read_text()) if (out / VERSIONS).exists() else []
        write_json(out / VERSIONS, [*before, started])


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat
