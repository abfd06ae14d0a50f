"""`key=value` changes to a config, read by the type of the field."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from egocurate.errors import InputError
from egocurate.training.config.settings import list_settings
from egocurate.training.config.train_config import TrainConfig


def with_setting(config: TrainConfig, setting: str) -> TrainConfig:
    """Return the config with one `key=value` applied, read by the field's type; raises InputError naming the keys."""
    key, equals, text = setting.partition("=")
    if not equals:
        raise InputError(f"--set {setting}: write key=value")
    return _with(config, key.split("."), text, key, config)


def nearest_keys(config: TrainConfig, key: str, most: int = 3) -> list[str]:
    """Return the keys of a config that a wrong key may have meant: those that end alike, then those spelled alike."""
    keys = [setting.key for setting in list_settings(config)]
    same_end = [one for one in keys if one.rpartition(".")[2] == key.rpartition(".")[2]]
    return list(dict.fromkeys(same_end + get_close_matches(key, keys, most)))[:most]


def _with(config: Any, path: list[str], text: str, key: str, whole: TrainConfig) -> Any:  # noqa: ANN401 (any dataclass)
    kinds, name = get_type_hints(type(config)), path[0]
    if name not in kinds:
        near = nearest_keys(whole, key)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InputError(f"--set {key}: there is no {name!r}; there are {', '.join(kinds)}{hint}")
    present = getattr(config, name)
    if is_dataclass(present):
        if len(path) == 1:
            raise InputError(f"--set {key}: name one of its keys: {', '.join(get_type_hints(type(present)))}")
        value = _with(present, path[1:], text, key, whole)
    elif len(path) > 1:
        raise InputError(f"--set {key}: {name} has no keys of its own")
    else:
        try:
            value = _read(kinds[name], text)
        except ValueError as error:
            raise InputError(f"--set {key}={text}: expected {error}") from error
    return replace(config, **{name: value})


def _read(kind: Any, text: str) -> Any:  # noqa: ANN401 (any type of a field)
    """Read a value of a type; raises ValueError that says what would do."""
    inner = get_args(kind)
    if get_origin(kind) is Literal:
        if text not in inner:
            raise ValueError(f"one of {', '.join(inner)}")
        return text
    if get_origin(kind) in (Union, UnionType):  # a path or nothing
        return text or None
    if get_origin(kind) is tuple:
        return _read_several(inner, text)
    if kind is bool:
        if text not in ("true", "false"):
            raise ValueError("true or false")
        return text == "true"
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError("a whole number" if kind is int else "a number") from error


def _read_several(kinds: tuple[Any, ...], text: str) -> tuple[Any, ...]:
    parts = text.split(",") if text else []
    if kinds[-1] is ...:
        return tuple(_read(kinds[0], part) for part in parts)
    if len(parts) != len(kinds):
        raise ValueError(f"{len(kinds)} values with commas between")
    return tuple(_read(one, part) for one, part in zip(kinds, parts, strict=True))
