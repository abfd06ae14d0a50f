"""The config of a model that is given away: what goes into its folder, and how it is read there, without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.train_config import MAY_CHANGE, TrainConfig
from egocurate.training.run.checkpoint_folders import OWN_FORM, SAVED_MODEL, TEXT_SIZES
from egocurate.training.run.own_parts import with_own_parts
from egocurate.training.run.run_folder import config_from_note
from egocurate.training.run.run_inputs import SOURCES

WAY_OUT = "take the folder as it was given away"


def to_give_away(config: TrainConfig) -> dict[str, Any]:
    """Return a config as plain values, without the paths and choices of the machine that trained."""
    plain = TrainConfig(system="", model=config.model, objective=config.objective, data=type(config.data)())
    kept = {key: getattr(plain, key) for key in MAY_CHANGE if "." not in key and key != "mcq_mode"}
    data = {key.removeprefix("data."): attrgetter(key)(plain) for key in MAY_CHANGE if key.startswith("data.")}
    named = {key: "" for key in SOURCES if "." not in key}
    config = replace(config, **kept, **named, weights=(), data=replace(config.data, **data))
    for part in ("model", "objective"):
        config = replace(config, **{part: _without_names(getattr(config, part), part)})
    return asdict(config)


def _without_names(part: Any, prefix: str) -> Any:  # noqa: ANN401 (any dataclass)
    for field in fields(part):
        key, value = f"{prefix}.{field.name}", getattr(part, field.name)
        if is_dataclass(value):
            part = replace(part, **{field.name: _without_names(value, key)})
        elif key in SOURCES and value:
            # Of a text tower that was loaded by name the folder has the sizes.
            part = replace(part, **{field.name: TEXT_SIZES if prefix == "model.text" else ""})
    return part


def read_saved(folder: Path, settings: Sequence[str] = ()) -> TrainConfig:
    """Return the config of a model in its own form, changed by `key=value` settings; raises InputError for any other.

    The folder is all that it names: its tokenizer, and its text tower's sizes.
    """
    note = read_note(folder / SAVED_MODEL, dict, WAY_OUT)
    if note.get("form") != OWN_FORM:
        raise InputError(
            f"{folder} holds a model in the form {note.get('form')!r}, for other code: only one of --to {OWN_FORM} is "
            "read here"
        )
    config = config_from_note(note.get("config"), folder / SAVED_MODEL, WAY_OUT)
    named = [key for key in (*SOURCES, "shards", "mcq_json", "mcq_shards", "swap_quiz") if _value(config, key)]
    if named != ["model.text.pretrained"] * len(named) or (named and config.model.text.pretrained != TEXT_SIZES):
        raise InputError(f"{folder / SAVED_MODEL}: {named[0]} names another place; {WAY_OUT}")
    config = with_own_parts(replace(config, out=str(folder)))
    for setting in settings:
        config = with_setting(config, setting)
    return config


def read_origin(folder: Path) -> dict[str, Any]:
    """Return what a folder says of where its model is from; raises InputError for one that says nothing."""
    note = read_note(folder / SAVED_MODEL, dict, WAY_OUT)
    origin = {key: note.get(key) for key in ("form", "step", "weights")}
    if not isinstance(origin["step"], int | None) or not isinstance(origin["weights"], str):
        raise InputError(f"{folder / SAVED_MODEL}: says neither step nor weights of its model; {WAY_OUT}")
    return origin


def _value(config: TrainConfig, key: str) -> Any:  # noqa: ANN401 (a setting)
    try:
        return attrgetter(key)(config)
    except AttributeError:  # of another system
        return ""
