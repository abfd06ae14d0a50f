"""Read egoclip.csv as EgoVLP published it: tab-separated, eleven columns, tags as Python lists, rows in any order."""

from __future__ import annotations

import codecs
import csv
import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import ConvertOptions, ParseOptions, read_csv

from egocurate.clip_table import CSV_COLUMNS, PUBLISHED_TYPES, require_columns
from egocurate.curation.clips.check_clips import check_clips
from egocurate.errors import InputError
from egocurate.literal_lists import class_list
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

_WHOLE = r"^(0|[1-9][0-9]{0,17})$"
_DECIMAL = r"^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]{1,3})?$"
_PARSE = ParseOptions(delimiter="\t", newlines_in_values=True)


def read_published_csv(path: AnyPath) -> pa.Table:
    """Return the rows by clip_idx with CSV_COLUMNS, tags ascending; raises InputError, naming the row and the value.

    Rows are counted from 1 below the header. EgoVLP's own reader drops rows that it cannot split, without a word.
    """
    texts = _read_texts(path)
    require_columns(path, texts.column_names, CSV_COLUMNS)
    repeated = [name for name in CSV_COLUMNS if texts.column_names.count(name) > 1]
    if repeated:
        raise InputError(f"{path}: several columns are called {repeated[0]!r}; leave one of them")
    inferred = [name for name in CSV_COLUMNS if texts[name].type != pa.string()]
    if inferred:
        raise InputError(f"{path}: the header names {inferred[0]!r} in an odd way; write names and tabs alone")
    table = pa.table({name: _column(path, texts[name], name, kind) for name, kind in PUBLISHED_TYPES.items()})
    check_clips(path, table)
    in_order = bool((np.diff(table["clip_idx"].to_numpy()) > 0).all())
    return table if in_order else table.sort_by("clip_idx")


def _read_texts(path: AnyPath) -> pa.Table:
    """Return every column as text: a number that is none must be named as it stands in the file."""
    data = read_bytes(path, TABLE_BYTES)
    try:
        header = data.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").partition(b"\n")[0].decode()
        names = [name.strip('"\r') for name in header.split("\t")]
        as_text = ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        return read_csv(pa.BufferReader(data), parse_options=_PARSE, convert_options=as_text)
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: not a tab-separated table ({_what_is_odd(data)}); give EgoClip's egoclip.csv as published"
        ) from error


def _what_is_odd(data: bytes) -> str:
    """Say which row of a csv file has other columns than its header, or what else is wrong with it."""
    try:
        rows = filter(None, csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter="\t"))
        header = next(rows, None)
        if header is None:
            return "it is empty"
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                more = "more" if len(row) > len(header) else "fewer"
                return f"row {number} has {more} than {len(header)} columns"
    except (UnicodeDecodeError, csv.Error) as error:
        return str(error)
    return "quotes do not end"


def _column(path: AnyPath, texts: pa.ChunkedArray, name: str, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if pa.types.is_string(kind):
        return texts
    if pa.types.is_list(kind):
        return _tags(path, texts, name)
    pattern, what = (_WHOLE, "whole number") if pa.types.is_integer(kind) else (_DECIMAL, "finite number")
    numbers = pc.match_substring_regex(texts, pattern)
    if not pc.all(numbers, min_count=0).as_py():
        raise _bad_value(path, _first(pc.invert(numbers)), name, texts, f"which is no {what}")
    return texts.cast(kind)


def _tags(path: AnyPath, texts: pa.ChunkedArray, name: str) -> pa.Array:
    """Read lists of classes, each distinct text once."""
    coded = texts.combine_chunks().dictionary_encode()
    lists = [class_list(text) for text in coded.dictionary.to_pylist()]
    for code, classes in enumerate(lists):
        if classes is None:
            row = _first(pc.equal(coded.indices, code))
            raise _bad_value(path, row, name, texts, "which is no list of classes like [93]")
    values = pa.array([sorted(set(classes)) for classes in lists if classes is not None], pa.list_(pa.int32()))
    return values.take(coded.indices)


def _first(mask: pa.ChunkedArray | pa.Array) -> int:
    """Return the number of the first row that is marked, from 1."""
    return int(np.argmax(np.asarray(mask))) + 1


def _bad_value(path: AnyPath, row: int, name: str, texts: pa.ChunkedArray, what: str) -> InputError:
    return InputError(f"{path}: row {row}: {name} has {texts[row - 1].as_py()!r}, {what}; mend or delete that row")
