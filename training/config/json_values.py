"""Values out of JSON as a setting's type says; anything else is refused, as none of them is what was saved."""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def setting_from_json(kind: Any, value: object) -> Any:  # noqa: ANN401 (any type of a field)
    """Return a saved value as a setting of a type; raises ValueError, saying what it is, for one of another type."""
    inner = get_args(kind)
    if get_origin(kind) is tuple and isinstance(value, list):
        kinds = [inner[0]] * len(value) if inner[-1] is ... else inner
        if len(kinds) == len(value):
            return tuple(setting_from_json(one, item) for one, item in zip(kinds, value, strict=True))
    elif get_origin(kind) is Literal:
        if isinstance(value, str) and value in inner:
            return value
    elif get_origin(kind) in (Union, UnionType):
        if any(type(value) is one for one in inner if one is not NoneType) or (value is None and NoneType in inner):
            return value
    elif type(value) is kind or (kind is float and type(value) is int):
        return value
    raise ValueError(f"{value!r} is no value of its kind")
