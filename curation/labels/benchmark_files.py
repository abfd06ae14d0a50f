"""Files of labels as benchmarks publish them: EPIC-KITCHENS-100, Charades-Ego, Ego4D's state changes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from egocurate.curation.labels.annotations import Annotations, annotations, refuse
from egocurate.curation.labels.label_names import read_names
from egocurate.curation.sources import FIRST_PASS
from egocurate.curation.sources.cells import decimal, number, storable
from egocurate.curation.sources.epic_kitchens import clock_seconds, narration_numbers
from egocurate.curation.sources.tabular import read_columns
from egocurate.curation.text.marks import ACTOR
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

EPIC_KINDS, CHARADES_KINDS, STATE_KINDS = ("verb", "noun", "action"), ("action",), ("state_change",)
STATE_NAMES = ["no state change", "state change"]
STATE_FPS = 30.0
"""Frames per second in which Ego4D counts the frames of a video."""

_EPIC_CLASSES = {"verb": "EPIC_100_verb_classes.csv", "noun": "EPIC_100_noun_classes.csv"}
_EPIC = ("narration_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp", "narration")
_EPIC += ("verb_class", "noun_class")
_CHARADES_CLASSES = "Charades_v1_classes.txt"
_ACTION = re.compile(r"(c[0-9]{3}) ([0-9.]+) ([0-9.]+)")
_AS_PUBLISHED = "take the file as published"


def read_epic(path: AnyPath, kinds: Sequence[str] | None) -> Annotations:
    """Read EPIC-KITCHENS-100's segments: verb and noun are EPIC's classes, action is the pair, named "verb,noun"."""
    table = read_columns(path, _EPIC)
    places = [f"line {line}" for line in table.index]
    cells = {name: [text.strip() for text in table[name]] for name in _EPIC}
    start, stop = (clock_seconds(table[name]).to_numpy() for name in ("start_timestamp", "stop_timestamp"))
    numbers = narration_numbers(table["narration_id"])
    refuse(path, places, numbers.isna(), f"has a narration_id that ends in no number; {_AS_PUBLISHED}")
    refuse(path, places, np.isnan(start) | np.isnan(stop), f"has a start or stop that is no time; {_AS_PUBLISHED}")
    pairs = [",".join(pair) for pair in zip(cells["verb_class"], cells["noun_class"], strict=True)]
    return annotations(
        path,
        places,
        cells["video_id"],
        _chosen({"verb": cells["verb_class"], "noun": cells["noun_class"], "action": pairs}, kinds, path),
        start=start,
        end=stop,
        text=[ACTOR + words for words in cells["narration"]],
        time=clock_seconds(table["narration_timestamp"]).to_numpy(),
        number=numbers.astype(np.int64).to_numpy(),
        source=FIRST_PASS,
        names=_names_beside(path, _EPIC_CLASSES),
        open_kinds=frozenset({"action"}),
    )


def read_charades(path: AnyPath, kinds: Sequence[str] | None) -> Annotations:
    """Read Charades-Ego's actions: a row for each action of a video, "c092 11.90 21.20;c147 0.00 12.60".

    The text of a clip is the phrase of its class, where the file of classes is beside.
    """
    table = read_columns(path, ("id", "actions"))
    rows, odd = [], []
    for line, uid, actions in zip(table.index, table["id"], table["actions"], strict=True):
        for action in filter(None, (one.strip() for one in actions.split(";"))):
            found = _ACTION.fullmatch(action)
            rows.append((f"line {line}", uid.strip(), *(found.groups() if found else ("", "", ""))))
            odd.append(found is None or not decimal(found[2]) < decimal(found[3]))
    places = [row[0] for row in rows]
    # Some published actions are empty or end before they begin: nobody can be shown them.
    kept = [row for row, is_odd in zip(rows, odd, strict=True) if not is_odd]
    if rows and not kept:
        refuse(path, places, odd, f"has actions that are none; {_AS_PUBLISHED}")
    codes = [str(int(code[1:])) for _, _, code, _, _ in kept]
    names = _names_beside(path, {"action": _CHARADES_CLASSES})
    phrases = dict(enumerate(names.get("action", ())))
    return annotations(
        path,
        [row[0] for row in kept],
        [row[1] for row in kept],
        _chosen({"action": codes}, kinds, path),
        start=np.array([decimal(row[3]) for row in kept], np.float64),
        end=np.array([decimal(row[4]) for row in kept], np.float64),
        text=[phrases.get(int(code), "") for code in codes],
        names=names,
        skipped=sum(odd),
    )


def read_state_changes(path: AnyPath, content: object, kinds: Sequence[str] | None) -> Annotations:
    """Return the windows of fho_oscc-pnr_*.json, `state_change` 0 or 1; `time` of each is its point of no return.

    A point of no return is a frame of the parent video, at 30 per second. Test files, which have no labels, give
    unknown ones.
    """
    clips = content.get("clips") if isinstance(content, dict) else None
    if not isinstance(clips, list) or not all(isinstance(clip, dict) for clip in clips):
        raise InputError(f"{path}: has no list `clips` of windows: is it Ego4D's fho_oscc-pnr_*.json?")
    places = [f"clip {place}" for place in range(len(clips))]
    names = ("video_uid", "unique_id", "parent_start_sec", "parent_end_sec")
    lacking = [[name for name in names if name not in clip] for clip in clips]
    refuse(path, places, [bool(one) for one in lacking], f"lacks one of {', '.join(names)}: another version's file?")
    texts = [clip["video_uid"] if isinstance(clip["video_uid"], str) else "" for clip in clips]
    start, end = (np.array([number(clip[name]) for clip in clips], np.float64) for name in names[2:])
    refuse(path, places, ~(np.isfinite(start) & np.isfinite(end)), "has a start or end that is no number of seconds")
    has_label = [isinstance(clip.get("state_change"), bool) for clip in clips]
    changes = [str(int(clip["state_change"])) if has else "" for clip, has in zip(clips, has_label, strict=True)]
    frame = np.array([number(clip.get("parent_pnr_frame")) for clip in clips], np.float64)
    shown = np.array([change == "1" for change in changes], bool)
    time = np.where(shown, frame / STATE_FPS, np.nan)
    outside = shown & (start < end) & ~((start <= time) & (time <= end))
    refuse(path, places, outside, "has its parent_pnr_frame outside its window")
    return annotations(
        path,
        places,
        texts,
        _chosen({"state_change": changes}, kinds, path),
        start=start,
        end=end,
        text=[storable(clip["unique_id"]) for clip in clips],
        time=time,
        names={"state_change": STATE_NAMES},
    )


def _chosen(labels: dict[str, list[str]], kinds: Sequence[str] | None, path: AnyPath) -> dict[str, list[str]]:
    """Return the labels of the kinds that are wanted, none for None; raises InputError for one that there is not."""
    for kind in kinds or ():
        if kind not in labels:
            raise InputError(f"{path}: has no label {kind!r}; there are {', '.join(labels)}")
    return {kind: labels[kind] for kind in kinds or ()}


def _names_beside(path: AnyPath, files: dict[str, str]) -> dict[str, list[str]]:
    """Return the classes that stand in files beside the labels, or in the folder above."""
    found = {}
    for kind, name in files.items():
        there = next((folder / name for folder in (path.parent, path.parent.parent) if (folder / name).is_file()), None)
        if there is not None:
            found[kind] = read_names(there)
    return found
