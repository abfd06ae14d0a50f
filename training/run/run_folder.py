"""The folder of a run: the config that it was started with, and whether a run may go on there; read without torch."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note
from egocurate.storage.redacted import redacted_values
from egocurate.training.config.json_values import setting_from_json
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.config.train_config import MAY_CHANGE, TrainConfig
from egocurate.training.run.checkpoint_folders import newest_checkpoint
from egocurate.training.run.own_parts import with_own_parts
from egocurate.training.run.run_inputs import check_sources

RECIPE = "recipe.json"


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
    saved, given = read_note(out / RECIPE, dict, "name another folder"), json.loads(json.dumps(asdict(config)))
    old, new = (_flat(redacted_values(settings)) for settings in (saved, given))
    may_differ = {*MAY_CHANGE, *check_sources(config, old)}
    keys = [key for key in new if key not in may_differ and old.get(key) != new[key]]
    if keys:
        named = ", ".join(f"{key} ({old.get(key)} -> {new[key]})" for key in keys)
        raise InputError(f"{out} holds a run with other settings: {named}; repeat them, or name another folder")
    return newest_checkpoint(out)


def read_run(run: Path, settings: list[str]) -> TrainConfig:
    """Return the config of the run in a folder, changed by `key=value` settings; raises InputError if there is none."""
    try:
        saved = read_note(run / RECIPE, dict, "give the OUT of a training run")
    except OSError as error:
        raise InputError(f"{run}: holds no run ({RECIPE}: {error.strerror}); give the OUT of a training run") from error
    config = config_from_note(saved, run / RECIPE, "take the version that trained")
    config = with_own_parts(replace(config, out=str(run)))
    for setting in settings:
        config = with_setting(config, setting)
    return config


def config_from_note(saved: object, path: Path, way_out: str) -> TrainConfig:
    """Return the config of what a file says; raises InputError, naming the file, if this version has no such one."""
    try:
        template = next(recipe() for recipe in RECIPES.values() if recipe().system == saved["system"])
        return _read(template, saved)
    except InputError as error:
        raise InputError(f"{path}: {error}; {way_out}") from error
    except (ValueError, TypeError, KeyError, StopIteration) as error:
        what = str(error).strip("'\"") or "an unknown system"
        raise InputError(f"{path}: written by another version ({what}); {way_out}") from error


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _read(template: Any, saved: object) -> Any:  # noqa: ANN401 (any dataclass)
    """Return saved settings as a dataclass of the template's kind; what was not saved has its default."""
    if not isinstance(saved, dict):
        raise ValueError(f"{saved!r} holds no settings")
    known, kinds = {field.name: field for field in fields(template)}, get_type_hints(type(template))
    if unknown := sorted(saved.keys() - known.keys()):
        raise ValueError(f"setting {unknown[0]} is not known")
    values = {}
    for name, field in known.items():
        if name not in saved:
            if field.default is MISSING and field.default_factory is MISSING:
                raise ValueError(f"setting {name} is missing")
            continue
        present = getattr(template, name)
        if is_dataclass(present):
            values[name] = _read(present, saved[name])
            continue
        try:
            values[name] = setting_from_json(kinds[name], saved[name])
        except ValueError as error:
            raise ValueError(f"setting {name}: {error}") from error
    return type(template)(**values)
