"""Which number each class has: that of a list of names, or that which follows from the labels themselves."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from egocurate.curation.labels.annotations import NAMED_ROWS, Annotations
from egocurate.errors import InputError
from egocurate.labels import MOST_CLASSES, UNKNOWN, LabelNames
from egocurate.storage.csv_file import read_csv
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
_NUMBER_FIRST = re.compile(r"c?([0-9]{1,9})[\s,]+(\S.*)")
_NUMBER_LAST = re.compile(r"(.*\S)[\s,]+([0-9]{1,9})")
_UNKNOWN_TEXTS = ("", "-1")


def number_labels(
    rows: Annotations, given: LabelNames
) -> tuple[dict[str, np.ndarray], dict[str, list[str]], dict[str, int]]:
    """Return the class numbers int64[N] of each kind, the names of the classes, and how many labels are not known.

    Names that are `given` decide, then those that the format brings: a label is one of the names, or their number.
    Without any, labels that are all numbers keep them, and words are numbered in sorted order. -1 and "" are a label
    that is not known. Raises InputError, with a count and the first line, for labels that are not among the names.
    """
    numbers, names, unknown = {}, {}, {}
    for kind, texts in rows.labels.items():
        is_given = kind in given and kind not in rows.described
        known = given[kind] if is_given else rows.names.get(kind)
        if known is None:
            known = _own_names(rows, kind, texts)
        numbers[kind], names[kind] = _numbers(rows, kind, texts, known, is_given=is_given), list(known)
        if count := int((numbers[kind] == UNKNOWN).sum()):
            unknown[kind] = count
    return numbers, names, unknown


def _own_names(rows: Annotations, kind: str, texts: Sequence[str]) -> list[str]:
    """Return the names of labels that bring none: the numbers themselves from 0 on, or the words in sorted order."""
    distinct = set(texts) - set(_UNKNOWN_TEXTS)
    if not all(map(_NUMBER.fullmatch, distinct)):
        return sorted(distinct)
    largest = max(map(int, distinct), default=-1)
    if largest >= MOST_CLASSES:
        row = texts.index(str(largest))
        raise InputError(
            f"{rows.path}: {rows.places[row]}: {kind} has {largest}, and classes are counted from 0 to "
            f"{MOST_CLASSES - 1:,}; is it the column of labels?"
        )
    return [str(number) for number in range(largest + 1)]


def _numbers(rows: Annotations, kind: str, texts: Sequence[str], names: Sequence[str], is_given: bool) -> np.ndarray:
    place = {name: number for number, name in reversed(list(enumerate(names)))}
    distinct = {text: _number(text, place, len(names)) for text in set(texts)}
    wrong = [text for text, number in distinct.items() if number is None]
    if wrong and kind not in rows.open_kinds:
        bad = [row for row, text in enumerate(texts) if distinct[text] is None]
        shown = sorted(wrong, key=texts.index)[:NAMED_ROWS]
        named = ", ".join(map(repr, shown)) + (", ..." if len(wrong) > len(shown) else "")
        raise InputError(
            f"{rows.path}: {kind} of {len(bad):,} of {len(rows):,} rows is not among the {len(names)} names "
            f"({named}; first {rows.places[bad[0]]}); "
            + ("give the --label-names that go with it" if is_given else "take the classes and labels of one version")
        )
    return np.array([UNKNOWN if distinct[text] is None else distinct[text] for text in texts], np.int64)


def _number(text: str, place: Mapping[str, int], count: int) -> int | None:
    """Return the number of a class by its name, or as it stands there; None if there is no such class."""
    if text in _UNKNOWN_TEXTS:
        return UNKNOWN
    if text in place:
        return place[text]
    return int(text) if _NUMBER.fullmatch(text) and int(text) < count else None


def read_names(path: AnyPath) -> list[str]:
    """Read the names of classes, so that the place of each is its number.

    A csv (also .gz) with columns id and name (or key, label), as EPIC-KITCHENS-100 publishes; JSON, a list or an object
    of names and numbers; or text: a name on each line, in their order, or each with its number before or after it. A
    number that no name has is called by itself. Raises InputError for a file that is none of these.
    """
    try:
        if path.suffix == ".json":
            return _of_json(path, json.loads(read_bytes(path, TABLE_BYTES).decode("utf-8-sig")))
        data = read_bytes(path, TABLE_BYTES)
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8-sig").splitlines()
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as names of classes ({error}); give a csv, json or text file"
        ) from error
    header = [cell.strip().strip('"').lower() for cell in (lines or [""])[0].split(",")]
    name = next((one for one in ("name", "key", "label", "class") if one in header), None)
    if "id" in header and name:
        return _placed(path, [(one, number) for number, one in read_csv(path).select(path, ("id", name), fold=True)])
    lines = [line.strip() for line in lines if line.strip()]
    for form, order in ((_NUMBER_FIRST, (2, 1)), (_NUMBER_LAST, (1, 2))):
        found = [form.fullmatch(line) for line in lines]
        if lines and all(found):
            return _placed(path, [(one[order[0]], one[order[1]]) for one in found])
    return _placed(path, [(line, number) for number, line in enumerate(lines)])


def _of_json(path: AnyPath, content: object) -> list[str]:
    if isinstance(content, list):
        return _placed(path, [(name, number) for number, name in enumerate(content)])
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds neither a list nor an object of names; write one of them")
    if all(map(_NUMBER.fullmatch, content)):
        return _placed(path, [(name, number) for number, name in content.items()])
    return _placed(path, list(content.items()))


def _placed(path: AnyPath, pairs: Sequence[tuple[object, object]]) -> list[str]:
    """Return names in the order of their numbers; raises InputError for a number that is none, or there twice."""
    names: dict[int, str] = {}
    for name, number in pairs:
        if not (isinstance(name, str) and re.fullmatch(r"[0-9]{1,9}", str(number)) and int(str(number)) < MOST_CLASSES):
            raise InputError(f"{path}: {name!r} has the number {number!r}; write names, and numbers from 0 on")
        if names.setdefault(int(str(number)), name) != name:
            raise InputError(f"{path}: {name!r} and {names[int(str(number))]!r} both have number {number}; mend one")
    if not names:
        raise InputError(f"{path}: no names of classes; write one on each line")
    return [names.get(number, str(number)) for number in range(max(names) + 1)]
