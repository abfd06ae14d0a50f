"""Which videos belong to the val and test sets of Ego4D's benchmarks.

Two places tell it and neither is complete: the fields split_* of the metadata (per video), and the benchmark files.
The hand-object benchmark is split per clip, so its field is blank or "multi" where the clips of a video disagree. The
union counts.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from egocurate.curation.sources.cells import storable
from egocurate.curation.sources.json_stream import members
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

BENCHMARKS = ("av", "moments", "nlq", "vq", "goalstep", "fho_lta", "fho_oscc-pnr", "fho_hands", "fho_scod", "fho_sta")
"""Benchmarks that have val and test files."""

HELD_OUT = frozenset({"val", "test"})
"""Splits that nothing is learned from."""

_ENTRY_KEYS = ("videos", "clips", "annotations")  # where the files list entries with a `video_uid`, by benchmark
_FILE_ENDS = {"val": ("val", "valid"), "test": ("test_unannotated", "test")}


@dataclass
class BenchmarkVideos:
    """Videos of the benchmark files that were found, and which files those were."""

    val: set[str] = field(default_factory=set)
    test: set[str] = field(default_factory=set)
    read: list[AnyPath] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)


def benchmark_files(folders: Iterable[AnyPath]) -> tuple[list[tuple[AnyPath, str]], list[str]]:
    """Return (path, split) of the val and test files in the folders, and the names found in none of them."""
    folders = list(folders)
    present, absent = [], []
    for name in BENCHMARKS:
        for split, ends in _FILE_ENDS.items():
            paths = [folder / f"{name}_{end}.json" for folder in folders for end in ends]
            files = [(path, split) for path in paths if path.is_file()]
            present += files
            if not files:
                absent.append(f"{name}_{ends[0]}.json")
    return present, absent


def read_benchmarks(folders: Iterable[AnyPath]) -> BenchmarkVideos:
    """Read the videos of every val and test file in the folders; raises InputError for a file that is broken."""
    files, absent = benchmark_files(folders)
    result = BenchmarkVideos(absent=absent)
    for path, split in files:
        lists = [value for key, value in members(path) if key in _ENTRY_KEYS and isinstance(value, list)]
        if not lists:
            raise InputError(f"{path}: lists no {', '.join(_ENTRY_KEYS)}; is it another file? Fetch it again")
        for entry in itertools.chain.from_iterable(lists):
            uid = entry.get("video_uid") if isinstance(entry, dict) else None
            if not isinstance(uid, str):
                continue
            uid = storable(uid)  # as the metadata is read
            stated = entry.get("split")
            (result.test if (stated if stated in ("val", "test") else split) == "test" else result.val).add(uid)
        result.read.append(path)
    return result


def split_fields(entry: Mapping[str, Any]) -> set[str]:
    """Return what the split_* fields of a video's metadata say, lower case."""
    return {
        value.strip().lower() for name, value in entry.items() if name.startswith("split_") and isinstance(value, str)
    } - {""}


def union_split(uid: str, fields: set[str], benchmarks: BenchmarkVideos) -> str:
    """Return "test", "val", "train" or "" for a video: test wins over val, val over train."""
    if "test" in fields or uid in benchmarks.test:
        return "test"
    if "val" in fields or uid in benchmarks.val:
        return "val"
    return "train" if "train" in fields else ""
