"""Make a folder that of a run: the config and the versions that it was started with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from egocurate.storage.atomic import remove_leftovers, write_json
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
    ranks.barrier()  # all have looked before one writes
    if ranks.main:
        out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(out)
        write_json(out / RECIPE, asdict(config))
        before = json.loads((out / VERSIONS).read_text()) if (out / VERSIONS).exists() else []
        write_json(out / VERSIONS, [*before, started])
