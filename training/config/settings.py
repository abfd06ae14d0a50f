"""The settings of a config: each key that `--set` takes, with its kind of value, its value and its meaning."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Setting:
    """One setting: `kind` says what its values are, `value` is written as `--set` reads it, `about` may be empty."""

    key: str
    kind: str
    value: str
    about: str


def list_settings(config: Any, prefix: str = "") -> Iterator[Setting]:  # noqa: ANN401 (any dataclass)
    """Give every setting of a config, those of a config inside it under `outer.inner`."""
    abouts = field_docs(type(config))
    for name, kind in get_type_hints(type(config)).items():
        value = getattr(config, name)
        if is_dataclass(value):
            yield from list_settings(value, f"{prefix}{name}.")
        else:
            yield Setting(prefix + name, _kind(kind), _written(value), abouts.get(name, ""))


@cache
def field_docs(config: type) -> dict[str, str]:
    """Return what the string below each field of a dataclass says, by field, on one line.

    Python keeps no such strings, so they are read from the source, where they stand beside what they are about.
    """
    docs: dict[str, str] = {}
    for one in reversed(config.__mro__):
        if not is_dataclass(one):
            continue
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        field = None
        for node in definition.body:
            if isinstance(node, ast.AnnAssign):
                field = node.target.id
            elif field and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                docs[field] = " ".join(str(node.value.value).split())
            else:
                field = None
    return docs


def _kind(kind: Any) -> str:  # noqa: ANN401 (any type of a field)
    inner = get_args(kind)
    if get_origin(kind) is Literal:
        return "|".join(inner)
    if get_origin(kind) is tuple:
        return f"{_kind(inner[0])},..." if inner[-1] is ... else ",".join(map(_kind, inner))
    if NoneType in inner:  # a path or nothing
        return "text"
    return {bool: "true|false", int: "whole number", float: "number"}.get(kind, "text")


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return "" if value is None else str(value)
