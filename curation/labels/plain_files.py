"""Files of labels that anybody can write: a csv with a header, or a list of paths and labels without one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from egocurate.curation.labels.annotations import Annotations, annotations, refuse
from egocurate.curation.sources.cells import clock_or_seconds
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.sources.video_folders import VIDEO_SUFFIXES
from egocurate.errors import InputError
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes

VIDEO_COLUMNS = ("video", "path", "video_id", "video_uid")
"""Names of the column that names the video, the first that is there."""

_TIMES = ("start_sec", "end_sec")
_MORE = ("video_uid", "text", *_TIMES)


def read_labeled_csv(path: AnyPath, header: Sequence[str], kinds: Sequence[str] | None) -> Annotations:
    """Read a csv or parquet file with a column `video`, `start_sec` and `end_sec` where wanted, and labels.

    Times are seconds or clock times; without both a row is its whole video. `kinds` are the columns of labels, None
    for none. Raises InputError, naming the column or the line.
    """
    names = [name.strip().lower() for name in header]
    video = next(name for name in VIDEO_COLUMNS if name in names)
    labels = [kind for kind in kinds or () if kind not in (video, *_TIMES)]
    table = read_columns(path, (video, *labels), _MORE)
    unit = "row" if path.suffix == ".parquet" else "line"
    places = [f"{unit} {number}" for number in table.index]
    start, end = (_seconds(path, table, name, places) for name in _TIMES)
    return annotations(
        path,
        places,
        _cells(table, video),
        {kind: _cells(table, kind) for kind in labels},
        uid=_cells(table, "video_uid"),
        start=start,
        end=end,
        text=_cells(table, "text"),
    )


def read_path_list(path: AnyPath, kinds: Sequence[str] | None) -> Annotations:
    """Read lines `path label`, separated by spaces or commas, a whole video each, as VideoMAE's lists have them.

    Of several kinds a line has a label each, `path label label`; what follows is not read. Raises InputError, naming
    the line.
    """
    try:
        lines = read_bytes(path, TABLE_BYTES).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; save it in UTF-8") from error
    rows = [(f"line {number}", line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InputError(f"{path}: the file is empty; write a path and its label on each line")
    separator = "," if "," in rows[0][1] else None
    wanted = len(kinds or ())
    count = max(wanted, _trailing_numbers(rows[-1][1], separator), 1)
    cells = [[cell.strip() for cell in line.rsplit(separator, count)] for _, line in rows]
    places = [place for place, _ in rows]
    form = " ".join(["path", *(kinds or ["label"])])
    refuse(path, places, [len(row) <= count or "" in row for row in cells], f"is not `{form}`, as the others are")
    _refuse_header(path, cells, form)
    labels = {kind: [row[1 + place] for row in cells] for place, kind in enumerate(kinds or ())}
    return annotations(path, places, [row[0] for row in cells], labels)


def _trailing_numbers(line: str, separator: str | None) -> int:
    cells = line.split(separator)[1:]
    words = [place for place, cell in enumerate(cells) if not cell.strip().isdecimal()]
    return len(cells) - (words[-1] + 1 if words else 0)


def _refuse_header(path: AnyPath, cells: list[list[str]], form: str) -> None:
    """Raise InputError if the first line of a list names columns instead of a video."""
    first, others = cells[0], cells[1:]
    names_no_file = "." not in first[0] and "/" not in first[0]
    are_files = others and all(row[0].lower().endswith(VIDEO_SUFFIXES) for row in others)
    are_numbers = others and all(row[1].isdecimal() for row in others)
    if names_no_file and (are_files or (are_numbers and not first[1].isdecimal())):
        raise InputError(
            f"{path}: line 1 has {' '.join(first)!r}, which names no video: call a csv's columns video, start_sec, "
            f"end_sec and as its labels; a list of `{form}` has no header"
        )


def _cells(table: pd.DataFrame, name: str) -> list[str]:
    return [text.strip() for text in table[name]] if name in table.columns else [""] * len(table)


def _seconds(path: AnyPath, table: pd.DataFrame, name: str, places: list[str]) -> np.ndarray:
    """Return times in seconds, NaN where there is none; raises InputError for a text that is no time."""
    texts = _cells(table, name)
    seconds = np.array([clock_or_seconds(text) for text in texts], np.float64)
    wrong = [bool(text) and value != value for text, value in zip(texts, seconds, strict=True)]
    refuse(path, places, wrong, f"has a {name} that is no time; write seconds as 62.5, or a clock time as 0:01:02.5")
    return seconds
