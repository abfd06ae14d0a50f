"""Where a trained model comes from, for whoever uses it: a run's folder, a folder given away, or released weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from egocurate.models.released_names import is_encoder_folder, is_hub_name, is_weights_file
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.export.load_saved import restore_saved
from egocurate.training.export.saved_config import read_origin, read_saved
from egocurate.training.run.checkpoint_folders import is_saved_model
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
    """A run's folder, a release, or a model that was given away in a folder: exactly one."""

    run: Path | None = None
    release: Release | None = None
    saved: Path | None = None

    @property
    def where(self) -> str:
        """The folder, the file or the hub name."""
        if self.release is None:
            return str((self.saved or self.run).resolve())
        path = Path(self.release.weights)
        return str(path.resolve()) if path.exists() else self.release.weights

    def read(self, settings: Sequence[str]) -> TrainConfig:
        """Return its config, changed by `key=value` settings; raises InputError if it holds no model."""
        if self.saved is not None:
            return read_saved(self.saved, settings)
        return read_run(self.run, list(settings)) if self.release is None else self.release.read(settings)

    def load(self, config: TrainConfig, ranks: Ranks) -> Loaded:
        """Return the system, to evaluate; raises InputError for weights that are not there or do not fit."""
        if self.saved is not None:
            origin = read_origin(self.saved)
            system = restore_saved(self.saved, config, ranks)
            return Loaded(system, str(self.saved), {"step": origin["step"]}, origin["weights"])
        if self.release is None:
            system, step = restore(config, ranks)
            title = f"step {step} of {self.run}"
            return Loaded(system, title, {"step": step}, weights_fingerprint(self.run, step))
        weights = self.release.weights
        origin = {"release": Path(weights).name if Path(weights).exists() else weights}
        return Loaded(self.release.restore(config, ranks), weights, origin, source_fingerprint(weights))


def source_of(where: str | Path, recipe: str = "") -> ModelSource:
    """Return what a path or name means: weights, a file or a name on the hub, or a folder of one of three kinds.

    recipe: of weights alone, whose settings they are used with. Nothing is read of a folder that is none.
    """
    if is_weights_file(where) or is_hub_name(where) or is_encoder_folder(where):
        return ModelSource(release=Release(str(where), recipe))
    folder = Path(where)
    return ModelSource(saved=folder) if is_saved_model(folder) else ModelSource(run=folder)
