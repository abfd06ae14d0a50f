"""Read a table of segments: csv, tsv, parquet or jsonl, or the file of a benchmark that has segments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.segments.class_columns import (
    class_columns,
    is_label,
    is_score,
    kind_of,
    label_texts,
    labeled,
    scores,
)
from egocurate.curation.segments.segments import Segments, segments
from egocurate.curation.sources.cells import clock_or_seconds, number, storable
from egocurate.curation.sources.tabular import read_columns
from egocurate.errors import InputError
from egocurate.literal_lists import word_list
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes
from egocurate.storage.typed_parquet import read_any

VIDEO_COLUMNS = ("video", "path", "video_id", "video_uid")
_TIMES = ("start_sec", "end_sec")
_TEXT = re.compile(r"text_([2-9]|[1-9][0-9])")
_OTHERS = ("video_uid", "texts", "weights", "kind", "pass", "duration", "split")
_SPLITS = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}
_JSON_LINES = (".jsonl", ".ndjson")


def read_segments_table(path: AnyPath) -> Segments:
    """Return the segments of a file, each with its texts.

    Columns: video (also path, video_id, video_uid), start_sec, end_sec (seconds or clock times), and text; further
    texts stand in text_2, text_3, ... or, all of them, in a list `texts`, with `weights` of as many numbers. Where
    wanted video_uid, kind (who wrote the texts), pass, duration, split, classes in `label` or label_<kind>, numbers in
    score_<name>. Files of EPIC-KITCHENS-100, Charades-Ego and Ego4D's state changes are read as published, with their
    labels. Raises InputError, naming the column or the row.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file of segments; give a csv with columns video, start_sec, end_sec, text")
    table = _read(path)
    if table is None:
        return _of_annotations(path)
    names = set(table.columns)
    video = next((name for name in VIDEO_COLUMNS if name in names), None)
    lacks = [name for name, is_there in _needed(names, video).items() if not is_there]
    if lacks:
        raise InputError(f"{path}: lacks column {', '.join(lacks)} (there are {', '.join(list(table.columns)[:12])})")
    texts = _texts(path, table)
    columns = {
        "video": _strings(table[video]),
        "start_sec": _seconds(path, table["start_sec"]),
        "end_sec": _seconds(path, table["end_sec"]),
        "text": pd.Series([row[0] if row else "" for row in texts], table.index, dtype=object),
        "captions": pd.Series([row[1:] for row in texts], table.index, dtype=object),
    }
    if "video_uid" in names:
        columns["video_uid"] = _strings(table["video_uid"])
    if "weights" in names:
        columns["caption_weights"] = _weights(path, table["weights"], texts)
    if "kind" in names:
        columns["kind"] = _strings(table["kind"]).replace("", "human")
    if "pass" in names:
        columns["narration_source"] = _strings(table["pass"]).map(_pass_name)
    if "duration" in names:
        columns["duration"] = _seconds(path, table["duration"])
    if "split" in names:
        columns["split"] = _strings(table["split"]).str.lower().replace(_SPLITS)
    columns |= {name: scores(path, table[name]) for name in filter(is_score, table.columns)}
    labels = {kind_of(name): label_texts(table[name]) for name in filter(is_label, table.columns)}
    return segments(path, labeled(path, pd.DataFrame(columns), labels))


def _needed(names: set[str], video: str | None) -> dict[str, bool]:
    return (
        {"video": video is not None}
        | {name: name in names for name in _TIMES}
        | {"text": bool(names & {"text", "texts"})}
    )


def _read(path: AnyPath) -> pd.DataFrame | None:
    """Return the columns of a file as they stand there, by where each row is; None for a benchmark's own file."""
    if path.suffix in _JSON_LINES:
        return _of_json_lines(path)
    if path.suffix == ".parquet":
        table = read_any(path)
        names = [name.strip().lower() for name in table.column_names]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: two columns have one name; leave one of them")
        rows = {name: column.to_pylist() for name, column in zip(names, table.columns, strict=True)}
        return pd.DataFrame(rows, [f"row {row}" for row in range(1, len(table) + 1)], dtype=object)
    if path.suffix == ".json":
        return None
    header = [name.strip().lower() for name in _header(path)]
    if not set(_TIMES) & set(header):
        return None
    video = next((name for name in VIDEO_COLUMNS if name in header), "video")
    more = [name for name in header if _TEXT.fullmatch(name) or is_label(name) or is_score(name)]
    table = read_columns(path, (video, *_TIMES), ("text", *_OTHERS, *more))
    return table.loc[:, ~table.columns.duplicated()].set_index(pd.Index([f"line {line}" for line in table.index]))


def _header(path: AnyPath) -> Sequence[str]:
    from egocurate.storage.csv_file import read_csv

    return read_csv(path, ",\t;", fill=True).header


def _of_json_lines(path: AnyPath) -> pd.DataFrame:
    """Return the objects of a file, one on each line, as columns; what an object lacks is None."""
    try:
        lines = read_bytes(path, TABLE_BYTES).decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save it in UTF-8") from error
    rows, places = [], []
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: line {place} is no JSON ({error}); write one object on each line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {place} is no JSON object; write one on each line")
        rows.append({name.strip().lower(): value for name, value in row.items()})
        places.append(f"line {place}")
    names = dict.fromkeys(name for row in rows for name in row)
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in names}, places, dtype=object)


def _of_annotations(path: AnyPath) -> Segments:
    """Return the segments of a benchmark's file, as the reader of its labels has them."""
    rows = read_annotations(path, None)
    if not np.isnan(rows.start).any():  # else it is no file of segments, with or without labels
        rows = read_annotations(path, ())
    columns = {
        "video": rows.video,
        "video_uid": rows.uid,
        "start_sec": rows.start,
        "end_sec": rows.end,
        "text": rows.text,
        "narration_source": rows.source,
        "narration_ind": rows.number,
        "narration_time": rows.time,
    }
    return segments(path, pd.DataFrame(columns, rows.places).assign(**class_columns(rows)), skipped=rows.skipped)


def _strings(column: pd.Series) -> pd.Series:
    """Return texts without white space around them, "" for what is none."""
    return column.map(lambda value: storable(value).strip()).astype(object)


def _seconds(path: AnyPath, column: pd.Series) -> pd.Series:
    """Return numbers, and texts that are seconds or clock times, as seconds, NaN where there is none."""
    seconds = column.map(lambda value: clock_or_seconds(value) if isinstance(value, str) else number(value))
    wrong = [
        bool(isinstance(value, str) and value.strip()) and math.isnan(one)
        for value, one in zip(column, seconds, strict=True)
    ]
    _refuse(path, column, wrong, f"which is no {column.name}; write seconds as 62.5, or a clock time as 0:01:02.5")
    return seconds.astype(np.float64)


def _texts(path: AnyPath, table: pd.DataFrame) -> list[list[str]]:
    """Return all texts of each row, the first one first, without empty ones."""
    names = [name for name in ("text", *sorted(filter(_TEXT.fullmatch, table.columns), key=_place)) if name in table]
    rows = [[text for text in row if text] for row in zip(*(_strings(table[name]) for name in names), strict=True)]
    rows = rows or [[] for _ in range(len(table))]
    if "texts" in table:
        lists = table["texts"].map(lambda value: _list(value, word_list))
        wrong = [one is None or not all(isinstance(text, str) for text in one) for one in lists]
        _refuse(path, table["texts"], wrong, 'which is no list of texts like ["opens the door", "opens a door"]')
        for row, more in zip(rows, lists, strict=True):
            cleaned = [storable(text).strip() for text in more]
            row += [text for text in dict.fromkeys(cleaned) if text and text not in row]
    return rows


def _place(name: str) -> int:
    return int(name.removeprefix("text_"))


def _list(value: object, read: Callable[[str], list | None]) -> list | None:
    """Return a list as it stands in a cell, in JSON or as Python prints it; [] for nothing, None for what is none."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = read(value)
    return value if isinstance(value, list) else None


def _weights(path: AnyPath, column: pd.Series, texts: list[list[str]]) -> pd.Series:
    lists = column.map(lambda value: _list(value, lambda text: None))
    wrong = [
        one is None or bool(one and (len(one) != len(row) or not all(0 < number(weight) < math.inf for weight in one)))
        for one, row in zip(lists, texts, strict=True)
    ]
    _refuse(path, column, wrong, "which is no list of weights above 0, one for each text")
    return pd.Series([[float(weight) for weight in one] or None for one in lists], column.index, dtype=object)


def _pass_name(text: str) -> str:
    return f"narration_pass_{text}" if re.fullmatch(r"[0-9]+", text) else text or "narration_pass_1"


def _refuse(path: AnyPath, column: pd.Series, wrong: Sequence[bool], what: str) -> None:
    rows = np.flatnonzero(np.asarray(wrong, bool))
    if len(rows):
        value = column.iloc[rows[0]]
        raise InputError(f"{path}: {column.index[rows[0]]}: {column.name} has {value!r:.80}, {what}")
