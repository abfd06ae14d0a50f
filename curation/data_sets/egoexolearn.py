"""EgoExoLearn: fine narrations with start and end, and the coarse steps of its l1 folder."""

from __future__ import annotations

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files, read_json
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import decimal
from egocurate.curation.sources.tabular import read_columns
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

FINE = ("fine_annotation_*.csv", "*exo_*.csv", "*ego_*.csv")
_TIMED = ("narration_en", "start_sec", "end_sec")
_SPLITS = {"train": "train", "val": "val", "test": "test"}
_FROM = "clone github.com/OpenGVLab/EgoExoLearn (MIT)"


def read_egoexolearn(root: AnyPath) -> Segments:
    """Return the English narrations of the csv files (pass "fine") and of l1/<video>.json (pass "coarse").

    Files that repeat a segment, as those of its benchmarks do, give it once; files without narrations, as those of the
    test videos, are not read. Raises InputError for a file that is not as published.
    """
    files = find_files(root, FINE, _FROM)
    rows, seen, read = SegmentRows(), set(), []
    for path in files:
        table = read_columns(path, ("video_uid",), (*_TIMED, "annotation_id", "subset"))
        if not set(_TIMED) <= set(table.columns):
            continue
        read.append(path)
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            key = row.get("annotation_id") or tuple(row.values())
            if key not in seen:
                seen.add(key)
                times = decimal(row["start_sec"]), decimal(row["end_sec"])
                said = {"narration_source": "fine", "split": _SPLITS.get(row.get("subset", ""), "")}
                rows.add(f"{path.name}: line {line}", row["video_uid"], *times, row["narration_en"], **said)
    if not read:
        raise InputError(f"{files[0]}: has no columns {', '.join(_TIMED)}; {_FROM}")
    coarse = [] if root.is_file() else find_files(root, ("l1/*.json",), _FROM, is_needed=False)
    for path in coarse:
        steps = read_json(path)
        for count, step in enumerate(steps if isinstance(steps, list) else (), 1):
            if isinstance(step, dict):
                _add_coarse(rows, path, count, step)
    return rows.segments(root, [*read, *coarse])


def _add_coarse(rows: SegmentRows, path: AnyPath, count: int, step: dict) -> None:
    text = step.get("textAttribute_en")
    folded = " ".join(text.split()) if isinstance(text, str) else ""
    uid = path.name.removesuffix(".gz").removesuffix(".json")
    times = step.get("start"), step.get("end")
    rows.add(f"{path.name}: step {count}", uid, *times, folded, narration_source="coarse")
