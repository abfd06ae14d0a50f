"""Narrations as Ego4D ships them: narration.json, or all_narrations_redacted.json where only that is there."""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.cells import number, storable
from egocurate.curation.sources.json_stream import CHUNK, members
from egocurate.curation.sources.passes import split_passes
from egocurate.storage.paths import AnyPath

NARRATION_FILE = "narration.json"
POOLED_FILE = "all_narrations_redacted.json"
_ROWS_PER_BATCH = 100_000


@dataclass
class Narrations:
    """The rows of a file in its order, and facts worth telling."""

    frame: pd.DataFrame
    notes: list[str]


@dataclass
class _Rows:
    """Columns under construction; full batches wait as Arrow tables, each distinct string once."""

    uid: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    index: array = field(default_factory=lambda: array("q"))
    time: array = field(default_factory=lambda: array("d"))
    text: list[str] = field(default_factory=list)
    batches: list[pa.Table] = field(default_factory=list)

    def add(self, uid: str, sources: Sequence[str], times: Iterable[float], texts: Iterable[str]) -> None:
        """Add the narrations of a video, or of a pass of it, in the order of the file."""
        self.uid.extend(repeat(uid, len(sources)))
        self.source.extend(sources)
        self.index.extend(range(len(sources)))
        self.time.extend(times)
        self.text.extend(texts)
        if len(self.uid) >= _ROWS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        columns = (self.uid, self.source, np.array(self.index, np.int64), np.array(self.time, np.float64), self.text)
        types = (pa.large_string(), pa.large_string(), pa.int64(), pa.float64(), pa.large_string())
        arrays = [pa.array(values, kind) for values, kind in zip(columns, types, strict=True)]
        table = pa.table(dict(zip(NARRATION_COLUMNS, arrays, strict=True)))
        for at, name in enumerate(NARRATION_COLUMNS):
            if pa.types.is_large_string(table[name].type):
                table = table.set_column(at, name, table[name].dictionary_encode())
        self.batches.append(table)
        self.uid, self.source, self.index, self.time, self.text = [], [], array("q"), array("d"), []

    def frame(self) -> pd.DataFrame:
        self.flush()
        table = pa.concat_tables(self.batches).unify_dictionaries()
        self.batches.clear()
        # Not by `to_pandas`, which makes a Python string of each text on the way: four times the memory.
        columns = {name: _column(table[name]) for name in NARRATION_COLUMNS}
        for name in ("video_uid", "narration_source"):  # categories have the order of their names, as strings have
            columns[name] = columns[name].set_categories(sorted(columns[name].categories))
        del table
        pa.default_memory_pool().release_unused()
        return pd.DataFrame(columns)


def _column(column: pa.ChunkedArray) -> np.ndarray | pd.Categorical:
    """Return numbers, or the strings of chunks that share a dictionary as categories."""
    if not pa.types.is_dictionary(column.type):
        return column.to_numpy()
    codes = np.concatenate([np.zeros(0, np.int32), *(chunk.indices.to_numpy() for chunk in column.chunks)])
    names = column.chunk(0).dictionary if column.num_chunks else pa.array([], pa.large_string())
    names = pd.array(names, pd.StringDtype(na_value=np.nan))
    return pd.Categorical.from_codes(codes, pd.Index(names))


def read_narration_json(path: AnyPath, chunk: int = CHUNK) -> Narrations:
    """Read narration.json; raises InputError if it is broken."""
    rows, silent, closed, videos = _Rows(), 0, 0, Counter()
    for uid, entry in _once(members(path, chunk=chunk), videos):
        passes = _passes(entry)
        silent += not passes
        closed += isinstance(entry, dict) and entry.get("status") == "redacted"
        for name, items in passes:
            times = [number(item.get("timestamp_sec")) for item in items]
            rows.add(uid, [name] * len(items), times, [storable(item.get("narration_text")) for item in items])
    notes = [f"{path.name} has {len(videos):,} videos"]
    if silent:
        notes.append(f"{silent:,} videos of {path.name} have no narrations; {closed:,} have the status redacted")
    return Narrations(rows.frame(), notes + _repeated(path.name, videos))


def read_pooled_json(path: AnyPath, chunk: int = CHUNK) -> Narrations:
    """Read all_narrations_redacted.json and tell its two annotators apart; raises InputError if it is broken."""
    rows, silent, videos = _Rows(), 0, Counter()
    for uid, entry in _once(members(path, inside="videos", chunk=chunk), videos):
        items = _narrations(entry)
        silent += not items
        time = np.array([number(item.get("time")) for item in items], np.float64)
        passes = split_passes([str(item.get("_annotation_uid")) for item in items], time)
        sources = [f"narration_pass_{which}" for which in passes.tolist()]
        rows.add(uid, sources, time.tolist(), [storable(item.get("text")) for item in items])
    notes = [
        f"No {NARRATION_FILE}: {path.name} has {len(videos):,} videos and pools both annotators; "
        "they are told apart by annotation jobs that overlap in time"
    ]
    if silent:
        notes.append(f"{silent:,} videos of {path.name} have no narrations")
    return Narrations(rows.frame(), notes + _repeated(path.name, videos))


def _once(entries: Iterator[tuple[str, Any]], seen: Counter[str]) -> Iterator[tuple[str, Any]]:
    """Pass on the first entry of each uid: clips are named by uid, pass and position, so a second one has no place."""
    for key, entry in entries:
        uid = storable(key)
        seen[uid] += 1
        if seen[uid] == 1:
            yield uid, entry


def _repeated(name: str, seen: Counter[str]) -> list[str]:
    repeated = seen.total() - len(seen)
    return [f"{repeated:,} entries of {name} repeat a uid and are not used"] if repeated else []


def _passes(entry: object) -> list[tuple[str, list[Any]]]:
    if not isinstance(entry, dict):
        return []
    passes: dict[str, list[Any]] = {}  # by what a name is in a file: again, the first of two has the place
    for name in sorted(name for name in entry if name.startswith("narration_pass_")):
        passes.setdefault(storable(name), _narrations(entry[name]))
    return [(name, items) for name, items in passes.items() if items]


def _narrations(entry: object) -> list[dict[str, Any]]:
    items = entry.get("narrations") if isinstance(entry, dict) else None
    return [item if isinstance(item, dict) else {} for item in items] if isinstance(items, list) else []
