"""What `<verb>.run.json` must be: a stranger's data, which names files and is counted with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

FORMAT = 2
"""Of a record: the first had paths and numbers where this has digests, so its inputs cannot be compared."""

_FILE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*", re.ASCII)  # below the folder, and nothing hidden
_WRITTEN = re.compile(r"[0-9]{1,18}:([0-9a-f]{64})?")  # of a file in a store only the size is known
_EGOMCQ_COUNTS = ("inter", "intra", "inter_asked", "intra_asked", "leak")


def check_record(record: object, verb: str) -> dict[str, Any]:
    """Return a run record if it is one of `verb`; raises ValueError that says what it is not."""
    record = _of(dict, "the record", record)
    config = _of(dict, "config", record.get("config"))
    counts = _of(dict, "counts", record.get("counts"))
    inputs = _of(dict, "inputs", record.get("inputs"))
    _each(_text, "inputs", inputs if record.get("format") == FORMAT else {})
    _text("config", json.dumps(config, ensure_ascii=False))
    _each(_text, "versions", record.get("versions", {}))
    for name in ("command", "started", "verb"):
        _text(name, record.get(name, ""))
    _seconds("seconds", record.get("seconds", 0))
    for name, written in _each(_text, "files", record.get("files", {})).items():
        if not (_FILE.fullmatch(name) and _WRITTEN.fullmatch(written)):
            raise ValueError(f"files has {name!r}, {written!r}: no file of this folder with its size and digest")
    if verb == "egoclip":
        _text("window", config.get("window"))
    if verb in _COUNTS:
        _COUNTS[verb](counts)
    return record


def _egoclip(counts: dict[str, Any]) -> None:
    for name in ("clips", "videos"):
        _count(name, counts.get(name))
    for name in ("narrations", "rejected"):
        _each(_count, name, counts.get(name))
    if "narrations" not in counts["narrations"]:
        raise ValueError("narrations does not begin with their number")
    _pace("beta", counts.get("beta"))
    for note in _of(list, "notes", counts.get("notes")):
        _text("notes", note)


def _egomcq(counts: dict[str, Any]) -> None:
    for name in _EGOMCQ_COUNTS:
        _count(name, counts.get(name, 0))
    if "leak" not in counts:
        raise ValueError("leak is missing")
    _pace("counts", {"alpha": counts.get("alpha")})
    if counts.get("mean_gap_sec") is not None:
        _gap("mean_gap_sec", counts["mean_gap_sec"])
    for line in _of(list, "short", counts.get("short")):
        _text("short", line)


_COUNTS: Mapping[str, Callable[[dict[str, Any]], None]] = {"egoclip": _egoclip, "egomcq": _egomcq}
"""What the verbs that others go on from have counted."""


def _pace(name: str, beta: object) -> None:
    """Check the numbers of windows: alpha is above 0, and so are the gaps that were found."""
    for key, value in _of(dict, name, beta).items():
        _gap(f"{name}: {key}", value)
    if not beta.get("alpha", 0) > 0:
        raise ValueError(f"alpha is {beta.get('alpha')!r}, no number above 0")


def _gap(name: str, value: object) -> None:
    # NaN stands for a mean of no gaps at all.
    if type(value) not in (int, float) or not (value != value or 0 <= value < 1e9):
        raise ValueError(f"{name} is {value!r}, no number of seconds")


def _seconds(name: str, value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value < 1e9:
        raise ValueError(f"{name} is {value!r}, no number of seconds")


def _count(name: str, value: object) -> None:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"{name} is {value!r}, no count")


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, no text")
    value.encode()  # ValueError for half of a surrogate pair


def _each(check: Callable[[str, object], None], name: str, values: object) -> dict[str, Any]:
    """Check every value of an object, and that its keys are texts that can be written."""
    for key, value in _of(dict, name, values).items():
        _text(name, key)
        check(f"{name}: {key}", value)
    return values


def _of(kind: type, name: str, value: Any) -> Any:  # noqa: ANN401 - of that kind
    if not isinstance(value, kind):
        raise ValueError(f"{name} is {value!r}, no {'list' if kind is list else 'object'}")
    return value
