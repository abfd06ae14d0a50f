"""The weights of a model that was given away in its own form, as a system to use.

Such a folder is anybody's: its weights are tensors alone, and sizes that these tensors do not have are refused before
anything of that size is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from egocurate.errors import InputError
from egocurate.models.weights import read_weights
from egocurate.storage.fingerprint import fingerprint
from egocurate.storage.json_notes import read_note
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.export.saved_config import WAY_OUT
from egocurate.training.run.checkpoint_folders import SAVED_MODEL, SAVED_WEIGHTS
from egocurate.training.systems import System, build_system, build_undrawn

_DEPTHS = ("depth", "layers")  # how settings end that count layers


def restore_saved(folder: Path, config: TrainConfig, ranks: Ranks) -> System:
    """Return the system of a config that `read_saved` gave, to evaluate, with the weights of the folder.

    Raises InputError, one line, for weights that are not whole, or not those of the config.
    """
    path = folder / SAVED_WEIGHTS
    if not path.is_file():
        raise InputError(f"{path}: not there; {WAY_OUT}")
    files = read_note(folder / SAVED_MODEL, dict, WAY_OUT).get("files")
    if isinstance(files, dict) and fingerprint(path) != files.get(SAVED_WEIGHTS, ""):
        raise InputError(f"{path} is not what was written; {WAY_OUT}")
    try:
        state = read_weights(str(path))
    except ValueError as error:
        raise InputError(f"{error}; {WAY_OUT}") from error
    _check_sizes(config, path, len(state), sum(value.numel() for value in state.values()))
    nowhere = torch.device("meta")
    try:
        with nowhere:
            planned = build_system(config, None, replace(ranks, device=nowhere)).model.state_dict()
    except (InputError, RuntimeError, ValueError, TypeError, ZeroDivisionError) as error:
        raise InputError(f"{folder / SAVED_MODEL}: no model has these sizes ({error}); {WAY_OUT}") from error
    wrong = [name for name in planned.keys() | state.keys() if _shape(planned, name) != _shape(state, name)]
    if wrong:
        name = min(wrong)
        raise InputError(
            f"{path}: {len(wrong)} tensors are not those of the config, {name} is {_shape(state, name)}, not "
            f"{_shape(planned, name)}; {WAY_OUT}"
        )
    system = build_undrawn(config, ranks)
    system.model.load_state_dict(state)
    system.model.eval()
    return system


def _shape(state: dict[str, Tensor], name: str) -> str:
    if name not in state:
        return "missing"
    return f"{str(state[name].dtype).removeprefix('torch.')} {list(state[name].shape)}"


def _check_sizes(config: TrainConfig, path: Path, tensors: int, values: int) -> None:
    """Raise InputError for a size beyond what a file of so many tensors and values can hold."""
    for key, value in _numbers(asdict(config.model)):
        most = tensors if key.endswith(_DEPTHS) else max(values, 4096)
        if value > most:
            raise InputError(f"{path}: model.{key} is {value}, and it holds {tensors} tensors; {WAY_OUT}")


def _numbers(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}.")
        elif type(value) is int:
            yield prefix + name, value
