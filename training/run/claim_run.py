"""Make a folder that of a run: the config and the versions that it was started with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.atomic import remove_leftovers, write_json
from egocurate.storage.json_notes import read_note
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.run_folder import RECIPE
from egocurate.training.run.versions import versions

VERSIONS = "versions.json"


def claim_run(config: TrainConfig, ranks: Ranks) -> None:
    """Make OUT the folder of this run; every rank calls this once nothing can be wrong with what was given.

    versions.json lists the starts of the run, the last one last.
    """
    started, out = versions(ranks), Path(config.out)
    before = _starts(out / VERSIONS) if ranks.main else []  # looked at before anything is written
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        write_json(out / RECIPE, asdict(config))
        write_json(out / VERSIONS, [*before, started])


def _starts(path: Path) -> list[dict[str, Any]]:
    """Return the starts that are noted so far."""
    starts = read_note(path, list) if path.exists() else []
    if not all(isinstance(start, dict) for start in starts):
        raise InputError(f"{path} lists something else than starts of a run; delete it: the run needs it not")
    return starts
