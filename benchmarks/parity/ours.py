"""Our side of a comparison: a file of weights as anybody would use it."""

from __future__ import annotations

from pathlib import Path

from egocurate.training.distributed.ranks import single_rank
from egocurate.training.run.load_model import Model
from egocurate.training.run.model_source import source_of


def load(weights: Path, *settings: str) -> Model:
    """Return a release's weights as `egocurate.load_model` does, with `key=value` settings, on the CPU."""
    source = source_of(weights)
    config = source.read([*settings, "device=cpu"])
    ranks = single_rank(config)
    return Model(config, source.load(config, ranks), ranks)
