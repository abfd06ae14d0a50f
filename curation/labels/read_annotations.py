"""Read a file of labels in any of its formats, told by its first line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from contextlib import nullcontext

from egocurate.curation.labels.annotations import Annotations
from egocurate.curation.labels.benchmark_files import (
    CHARADES_KINDS,
    EPIC_KINDS,
    STATE_KINDS,
    read_charades,
    read_epic,
    read_state_changes,
)
from egocurate.curation.labels.egotaskqa import EGOTASKQA_KINDS, read_egotaskqa
from egocurate.curation.labels.plain_files import VIDEO_COLUMNS, read_labeled_csv, read_path_list
from egocurate.errors import InputError
from egocurate.labels import check_kinds
from egocurate.storage.paths import TABLE_BYTES, AnyPath, read_bytes
from egocurate.storage.remote_file import open_file
from egocurate.storage.typed_parquet import read_any

_HEADER_BYTES = 65_536
_LABEL = ("label",)


def read_annotations(path: AnyPath, kinds: Sequence[str] | None) -> Annotations:
    """Return the labeled videos and segments of a file; `kinds` are its labels: () for the format's own, None for none.

    Read are csv and parquet files with a column `video`, lists of paths and labels, EPIC-KITCHENS-100's segments,
    Charades-Ego's actions, Ego4D's fho_oscc-pnr_*.json and EgoTaskQA's *_qas.json. Raises InputError for a file that is
    not there, or none of these, and for labels that it has not.
    """
    check_kinds(kinds or ())
    if not path.is_file():
        raise InputError(f"{path}: no such file of labels; give a csv with columns video, start_sec, end_sec, label")
    if path.suffix == ".json":
        content = _json(path)
        if isinstance(content, list):
            return read_egotaskqa(path, content, _wanted(kinds, EGOTASKQA_KINDS))
        return read_state_changes(path, content, _wanted(kinds, STATE_KINDS))
    header = _header(path)
    names = {name.strip().lower() for name in header}
    if {"narration_id", "stop_timestamp"} <= names:
        return read_epic(path, _wanted(kinds, EPIC_KINDS))
    if {"id", "actions"} <= names:
        return read_charades(path, _wanted(kinds, CHARADES_KINDS))
    if names & set(VIDEO_COLUMNS):
        if kinds == () and "label" not in names:
            raise InputError(
                f"{path}: has no column 'label' (there are {', '.join(header[:12])}): name some by --labels"
            )
        return read_labeled_csv(path, header, _wanted(kinds, _LABEL))
    return read_path_list(path, _wanted(kinds, _LABEL))


def _wanted(kinds: Sequence[str] | None, own: Sequence[str]) -> Sequence[str] | None:
    return own if kinds is not None and not kinds else kinds


def _json(path: AnyPath) -> object:
    try:
        return json.loads(read_bytes(path, TABLE_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}); take the file as published") from error


def _header(path: AnyPath) -> list[str]:
    """Return the cells of a file's first line, whatever separates them."""
    if path.suffix == ".parquet":
        return read_any(path).column_names
    with open_file(path) as raw, gzip.open(raw) if path.suffix == ".gz" else nullcontext(raw) as file:
        try:
            line = file.readline(_HEADER_BYTES).decode("utf-8-sig")
        except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise InputError(f"{path}: not a text of labels ({error}); save it in UTF-8") from error
    return line.strip().split(max(",\t;", key=line.count))
