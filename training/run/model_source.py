"""Where a trained model comes from, for whoever uses it: the folder of a run, or weights that others published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_release import Release
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.run_inputs import source_fingerprint, weights_fingerprint
from egocurate.training.systems import System


class Loaded(NamedTuple):
    """A system with what it has learned, where that is from, and what figures and features note of it."""

    system: System
    title: str
    origin: dict[str, object]
    digest: str
    """of the weights"""


@dataclass(frozen=True)
class ModelSource:
    """A run's folder, or a release: exactly one."""

    run: Path | None = None
    release: Release | None = None

    @property
    def where(self) -> str:
        """The folder, the file or the hub name."""
        if self.release is None:
            return str(self.run.resolve())
        path = Path(self.release.weights)
        return str(path.resolve()) if path.exists() else self.release.weights

    def read(self, settings: Sequence[str]) -> TrainConfig:
        """Return its config, changed by `key=value` settings; raises InputError if it holds no model."""
        return read_run(self.run, list(settings)) if self.release is None else self.release.read(settings)

    def load(self, config: TrainConfig, ranks: Ranks) -> Loaded:
        """Return the system, to evaluate; raises InputError for weights that are not there or do not fit."""
        if self.release is None:
            system, step = restore(config, ranks)
            title = f"step {step} of {self.run}"
            return Loaded(system, title, {"step": step}, weights_fingerprint(self.run, step))
        weights = self.release.weights
        origin = {"release": Path(weights).name if Path(weights).exists() else weights}
        return Loaded(self.release.restore(config, ranks), weights, origin, source_fingerprint(weights))
