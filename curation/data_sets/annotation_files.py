"""Find and read the annotation files of a data set, and collect the segments that they hold."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from typing import Any

import pandas as pd

from egocurate.curation.segments.class_columns import is_label, kind_of, label_texts, labeled
from egocurate.curation.segments.segments import NEEDED, Segments, segments
from egocurate.curation.sources.cells import LONGEST_SEC, number, storable
from egocurate.errors import InputError
from egocurate.labels import LabelNames
from egocurate.storage.paths import TABLE_BYTES, AnyPath, folder_exists, read_bytes


def find_files(root: AnyPath, patterns: Sequence[str], where_from: str, is_needed: bool = True) -> list[AnyPath]:
    """Return the files of a folder, or below its folders, whose names match one of `patterns`, also with .gz.

    `root` may be such a file itself. Raises InputError, saying `where_from` to get it, where a needed one is not there.
    """
    if root.is_file():
        return [root]
    if not folder_exists(root):
        raise InputError(f"{root}: no such file or folder; {where_from}")
    names = [name + end for name in patterns for end in ("", ".gz")]
    found = {path for name in names for place in (name, f"*/{name}", f"*/*/{name}") for path in root.glob(place)}
    files = sorted(path for path in found if path.is_file())
    if is_needed and not files:
        raise InputError(f"{root}: no {' or '.join(patterns)} in it or its folders; {where_from}")
    return files


def read_json(path: AnyPath) -> dict[str, Any] | list[Any]:
    """Return the object or list of a JSON file, also .gz; raises InputError for any other file."""
    data = read_bytes(path, TABLE_BYTES)
    try:
        value = json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (ValueError, OSError, EOFError, zlib.error, RecursionError) as error:
        raise InputError(f"{path}: is no JSON file ({error}); fetch it again") from error
    if not isinstance(value, dict | list):
        raise InputError(f"{path}: holds {type(value).__name__}, not an object or a list; fetch it again")
    return value


def entries(path: AnyPath, holder: object, key: str) -> list[dict[str, Any]]:
    """Return the objects of the list under `key`; raises InputError where there is no list."""
    value = holder.get(key) if isinstance(holder, dict) else None
    if not isinstance(value, list):
        raise InputError(f"{path}: lists no {key!r}; is it another file under this name? Fetch it again")
    return [one for one in value if isinstance(one, dict)]


class SegmentRows:
    """Segments in the order in which a reader finds them; what is none is counted instead."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.places: list[str] = []
        self.skipped = 0

    def add(
        self, place: str, video: object, start_sec: object, end_sec: object, text: object, **more: object
    ) -> dict[str, Any] | None:
        """Add a segment of seconds and text, with what of segments.OPTIONAL is known; returns its row.

        One without a time or a text is counted instead, and None.
        """
        start, end, words = number(start_sec), number(end_sec), storable(text).strip()
        if not words or not isinstance(video, str) or not 0 <= start < end <= LONGEST_SEC:
            self.skipped += 1
            return None
        row = dict(zip(NEEDED, (video, start, end, words), strict=True)) | {"split": ""} | more
        self.rows.append(row)
        self.places.append(place)
        return row

    def segments(
        self, root: AnyPath, files: Sequence[AnyPath], *, names: LabelNames | None = None, **more: object
    ) -> Segments:
        """Return all of them; raises InputError where there is none, or where one cannot be.

        label_<kind> of a row is the number of its class, `names` are those of the classes.
        """
        table = pd.DataFrame(self.rows, self.places) if self.rows else pd.DataFrame(columns=list(NEEDED))
        labels = {kind_of(name): label_texts(table[name]) for name in filter(is_label, table.columns)}
        table = labeled(root, table, labels, names)
        if root.is_file():
            return segments(root, table, skipped=self.skipped, **more)
        named = {path.relative_to(root).as_posix(): path for path in files}
        return segments(root, table, named, skipped=self.skipped, **more)
