"""HD-EPIC: narrations, steps of recipes and activities with start and end, each kind a pass of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from egocurate.curation.data_sets.annotation_files import SegmentRows, find_files, read_json
from egocurate.curation.labels.label_names import read_names
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import clock_or_seconds
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.text.marks import ACTOR
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

_MAIN = "main_action_classes"
_ID = "unique_narration_id"
NARRATIONS = ("HD_EPIC_Narrations.csv", "HD_EPIC_Narrations.parquet")
ERRATUM = "HD_EPIC_Narrations_erratum.csv"
CLASSES = {"verb": "HD_EPIC_verb_classes.csv", "noun": "HD_EPIC_noun_classes.csv"}
ACTIVITIES, RECIPES = ("*_recipe_timestamps.csv",), ("complete_recipes.json",)
_ONE_ACTION = re.compile(r"\s*\[\s*[\[(]\s*([0-9]{1,6})\s*,\s*([0-9]{1,6})\s*[\])]\s*,?\s*\]\s*")
_FROM = "clone github.com/hd-epic/hd-epic-annotations (CC BY-NC 4.0)"
_AS_CSV = (
    "is a pickle, which may run code; where you trust it, write it as csv: "
    "python -c \"import pandas as p; p.read_pickle('HD_EPIC_Narrations.pkl').to_csv('HD_EPIC_Narrations.csv')\""
)


def read_hd_epic(root: AnyPath) -> Segments:
    """Return the narrations (pass "narration"), steps ("step", "prep") and activities ("activity") of a folder.

    Narrations are in HD_EPIC_Narrations.csv, or .parquet, written from the pickle that is published, which is not
    opened. Their labels are the verb, the noun and the action, the pair of both, of the main action; they are not known
    where there are several, and of steps and activities. Narrations that the erratum beside them lists, which
    HD-EPIC could not mend, are left out and counted. Raises InputError where only the pickle is there, and for a
    file that is not as published.
    """
    narrations = find_files(root, NARRATIONS, _FROM, is_needed=False)
    if root.suffix == ".pkl":
        raise InputError(f"{root}: {_AS_CSV}")
    pickles = [] if root.is_file() else find_files(root, ("HD_EPIC_Narrations.pkl",), _FROM, is_needed=False)
    if pickles and not narrations:
        raise InputError(f"{pickles[0]}: {_AS_CSV}")
    if root.is_file():
        return _of_file(root)
    activities = find_files(root, ACTIVITIES, _FROM, is_needed=False)
    recipes = find_files(root, RECIPES, _FROM, is_needed=False)
    files = [*narrations, *recipes, *activities]
    if not files:
        raise InputError(f"{root}: no {NARRATIONS[0]}, {RECIPES[0]} or {ACTIVITIES[0]} in it; {_FROM}")
    rows, lengths = SegmentRows(), _durations(root)
    for path in files:
        _add(rows, path, lengths)
    classes = _class_files(root)
    names = {kind: read_names(path) for kind, path in classes.items()}
    errata = [erratum for path in narrations if (erratum := path.parent / ERRATUM).is_file()]
    return rows.segments(root, [*files, *errata, *_lists(root), *classes.values()], names=names)


def _class_files(root: AnyPath) -> dict[str, AnyPath]:
    found = {kind: find_files(root, (name,), _FROM, is_needed=False) for kind, name in CLASSES.items()}
    return {kind: paths[0] for kind, paths in found.items() if paths}


def _lists(root: AnyPath) -> list[AnyPath]:
    return find_files(root, ("HD_EPIC_YouTube_URLs.csv",), _FROM, is_needed=False)


def _durations(root: AnyPath) -> dict[str, float]:
    """Return the seconds of the videos that the list of their addresses has, for activities that last to the "end"."""
    lengths = {}
    for path in _lists(root):
        for row in read_columns(path, ("video_id", "duration")).itertuples():
            lengths[row.video_id] = clock_or_seconds(row.duration)
    return lengths


def _of_file(path: AnyPath) -> Segments:
    rows = SegmentRows()
    _add(rows, path, {})
    names = {kind: read_names(beside) for kind, beside in _class_files(path.parent).items()}
    return rows.segments(path, [path], names=names)


def _add(rows: SegmentRows, path: AnyPath, lengths: Mapping[str, float]) -> None:
    name = path.name.removesuffix(".gz")
    if name.endswith(".json"):
        _add_steps(rows, path, lengths)
    elif name.endswith("_recipe_timestamps.csv"):
        columns = ("video_id", "start_time", "end_time", "high_level_activity_label")
        _add_table(rows, path, columns, "activity", lengths)
    else:
        columns = ("video_id", "start_timestamp", "end_timestamp", "narration")
        _add_table(rows, path, columns, "narration", lengths)


def _add_table(
    rows: SegmentRows, path: AnyPath, columns: tuple[str, ...], source: str, lengths: Mapping[str, float]
) -> None:
    if source == "narration":
        actor, table = ACTOR, read_columns(path, columns, (_ID,), lists=(_MAIN,))
        if _ID in table.columns:
            is_withdrawn = table[_ID].isin(_withdrawn(path.parent))
            rows.skipped += int(is_withdrawn.sum())
            table = table[~is_withdrawn]
    else:
        actor, table = "", read_columns(path, columns)
    labels = table[_MAIN].map(_labels) if _MAIN in table.columns else [{}] * len(table)
    cells = table[list(columns)].to_numpy()
    for line, (video, start, end, text), of_row in zip(table.index, cells, labels, strict=True):
        said = f"{actor}{text.strip()}" if text.strip() else ""
        length = lengths.get(video, math.nan)
        times = clock_or_seconds(start), length if end.strip() == "end" else clock_or_seconds(end)
        known = {"narration_source": source, "duration": length} | of_row
        rows.add(f"{path.name}: line {line}", video, *times, said, **known)


def _withdrawn(folder: AnyPath) -> frozenset[str]:
    """Return the ids of the narrations that HD-EPIC withdraws, none where its list is not there."""
    path = folder / ERRATUM
    return frozenset(read_columns(path, ("erratum_narration_id",)).iloc[:, 0]) if path.is_file() else frozenset()


def _labels(cell: str) -> dict[str, str]:
    """Return the classes of the one action in a cell like "[(3, 3)]"; none are known where there are several."""
    match = _ONE_ACTION.fullmatch(cell)
    if match is None:
        return {"label_verb": "", "label_noun": "", "label_action": ""}
    verb, noun = (str(int(number)) for number in match.groups())
    return {"label_verb": verb, "label_noun": noun, "label_action": f"{verb},{noun}"}


def _add_steps(rows: SegmentRows, path: AnyPath, lengths: Mapping[str, float]) -> None:
    """Add each time that a step, or the preparation for it, takes."""
    recipes = read_json(path)
    for name, recipe in recipes.items() if isinstance(recipes, dict) else ():
        texts, captures = (recipe.get(key) if isinstance(recipe, dict) else None for key in ("steps", "captures"))
        if not isinstance(texts, dict) or not isinstance(captures, list):
            raise InputError(f"{path}: recipe {name!r} has no steps or captures; fetch it again")
        for capture in captures:
            for key, source in (("step_times", "step"), ("prep_times", "prep")):
                for step, times in _items(capture, key):
                    for time in times if isinstance(times, list) else ():
                        video, *ends = (dict(_items(time)).get(name) for name in ("video", "start", "end"))
                        place = f"{path.name}: {step}"
                        known = {"narration_source": source, "duration": lengths.get(str(video), math.nan)}
                        rows.add(place, video, *ends, texts.get(step), **known)


def _items(holder: object, key: str | None = None) -> Iterable[tuple[str, Any]]:
    """Return what an object holds, or the object under a key of it; nothing where it is none."""
    value = holder.get(key) if key is not None and isinstance(holder, dict) else holder
    return value.items() if isinstance(value, dict) else ()
