"""Ego4D Goal-Step: steps and substeps with start and end, each level a pass of its own."""

from __future__ import annotations

import math
from typing import Any

from egocurate.curation.data_sets.annotation_files import SegmentRows, entries, find_files, read_json
from egocurate.curation.segments.ego4d_videos import find_ego4d_videos
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import LONGEST_SEC, number
from egocurate.storage.paths import AnyPath

FILES = {"goalstep_train.json": "train", "goalstep_val.json": "val", "goalstep_valid.json": "val"}
LEVELS = ("step", "substep")
_FROM = "get it from github.com/facebookresearch/ego4d-goalstep, data/ (MIT), or with `ego4d --datasets annotations`"


def read_goal_step(root: AnyPath) -> Segments:
    """Return the steps and substeps of goalstep_train.json and goalstep_valid.json (also _val, .gz), or of one file.

    narration_source says the level. What a step is part of overlaps it: a clip of a level meets no other of its level,
    as a rule. A video that ego4d.json or another benchmark's file beside them holds out is held out. The test file has
    no times and is not read. Raises InputError for a file that is not as published.
    """
    found = find_files(root, tuple(FILES), _FROM)
    files = list({path.name: path for path in found}.values())  # the newest, if several versions have one
    rows = SegmentRows()
    for path in files:
        split = FILES.get(path.name.removesuffix(".gz"), "")
        for video in entries(path, read_json(path), "videos"):
            _add(rows, f"{path.name}: {video.get('video_uid')}", video, video, split, 0)
    return rows.segments(root, files, ego4d=find_ego4d_videos(root, files))


def _add(rows: SegmentRows, place: str, video: dict[str, Any], within: dict[str, Any], split: str, level: int) -> None:
    found = within.get("segments")
    for count, step in enumerate(found if isinstance(found, list) else (), 1):
        if not isinstance(step, dict):
            rows.skipped += 1
            continue
        here = f"{place}, {LEVELS[level]} {count}"
        times = step.get("start_time"), step.get("end_time")
        said = {"narration_source": LEVELS[level], "split": split, "duration": _length(video)}
        rows.add(here, video.get("video_uid"), *times, step.get("step_description"), **said)
        if level + 1 < len(LEVELS):
            _add(rows, here, video, step, split, level + 1)


def _length(video: dict[str, Any]) -> float:
    """Return the seconds up to the end of the goal, which lasts as long as its video; NaN where it has none."""
    end = number(video.get("end_time"))
    return end if 0 < end <= LONGEST_SEC else math.nan
