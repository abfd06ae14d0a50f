"""Read egoclip.csv as EgoVLP published it: tab-separated, eleven columns, tags as Python lists, rows in any order."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.clip_table import CSV_COLUMNS, PUBLISHED_TYPES, require_columns
from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

_NUMBER = re.compile(r"\d+")
_LIST = re.compile(r"\[\s*(\d{1,9}\s*(,\s*\d{1,9}\s*)*)?\]")


def read_published_csv(path: AnyPath) -> pa.Table:
    """Return the rows by clip_idx with CSV_COLUMNS, tags ascending; raises InputError, naming the row and the value.

    Rows are counted from 1 below the header. EgoVLP's own reader drops rows that it cannot split, without a word.
    """
    try:
        # As text: a number that is none must be named as it stands in the file.
        content = io.BytesIO(read_bytes(path, TABLE_BYTES))
        frame = pd.read_csv(content, sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, csv.Error) as error:
        what = str(error).strip().replace("Error tokenizing data. C error: ", "")
        raise InputError(
            f"{path}: not a tab-separated table ({what}); give EgoClip's egoclip.csv as published"
        ) from None
    require_columns(path, frame.columns, CSV_COLUMNS)
    # The reader fills up short rows; the last column, a list, is never empty by itself.
    short = (frame.iloc[:, -1] == "").to_numpy()
    if short.any():
        raise InputError(f"{path}: row {_first(short)} has fewer than {len(CSV_COLUMNS)} columns; mend or delete it")
    columns = {name: _column(path, frame[name], name, kind) for name, kind in PUBLISHED_TYPES.items()}
    repeated = frame["clip_idx"].duplicated().to_numpy()
    if repeated.any():
        row = _first(repeated)
        raise InputError(f"{path}: row {row} has clip_idx {frame['clip_idx'][row - 1]} again; each row needs its own")
    return pa.table(columns).sort_by("clip_idx")


def _column(path: AnyPath, texts: pd.Series, name: str, kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array(texts.to_numpy(object), kind)
    if pa.types.is_list(kind):
        return _tags(path, texts, name)
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    bad = ~np.isfinite(numbers)
    what = "finite number"
    if pa.types.is_integer(kind):
        bad |= numbers != np.floor(numbers)
        what = "whole number"
    if bad.any():
        raise _bad_value(path, _first(bad), name, texts, f"which is no {what}")
    return pa.array(numbers.astype(np.int64) if pa.types.is_integer(kind) else numbers, kind)


def _tags(path: AnyPath, texts: pd.Series, name: str) -> pa.Array:
    """Read lists of classes, each distinct text once."""
    code, distinct = pd.factorize(texts)
    lists = [_classes(text) for text in distinct]
    for number, classes in enumerate(lists):
        if classes is None:
            raise _bad_value(path, _first(code == number), name, texts, "which is no list of classes like [93]")
    return pa.array(lists, pa.list_(pa.int32())).take(pa.array(code))


def _classes(text: str) -> list[int] | None:
    return sorted(set(map(int, _NUMBER.findall(text)))) if _LIST.fullmatch(text) else None


def _first(mask: np.ndarray) -> int:
    """Return the number of the first row that is marked, from 1."""
    return int(np.argmax(mask)) + 1


def _bad_value(path: AnyPath, row: int, name: str, texts: pd.Series, what: str) -> InputError:
    return InputError(f"{path}: row {row}: {name} has {texts.iloc[row - 1]!r}, {what}; mend or delete that row")
