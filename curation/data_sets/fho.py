"""Ego4D's hands and objects (FHO): each narrated action from its pre-frame to its post-frame."""

from __future__ import annotations

import math
from typing import Any

from egocurate.curation.data_sets.annotation_files import SegmentRows, entries, find_files, read_json
from egocurate.curation.segments.ego4d_videos import find_ego4d_videos
from egocurate.curation.segments.segments import Segments
from egocurate.curation.sources.cells import number
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

FRAMES_PER_SEC = 30.0  # of every canonical video of Ego4D, which the frames count in
_FROM = "get it with `ego4d --datasets annotations` (Ego4D's license)"


def read_fho(root: AnyPath) -> Segments:
    """Return the valid narrated actions of fho_main.json: from pre_frame to post_frame, at pnr_frame.

    The state of a thing changes at the point of no return (pnr). An action without a change has no such frames; it is
    from start_sec to end_sec, which are eight seconds, in the pass "action". Which videos are val or test, and how long
    they are, is in ego4d.json and the files of the benchmarks (`find_ego4d_videos`). Raises InputError for another
    file, and where neither is there.
    """
    files = find_files(root, ("fho_main.json",), _FROM)[-1:]  # the newest, if several versions have it
    ego4d = find_ego4d_videos(root, files)
    if not ego4d.files:
        raise InputError(
            f"{root}: no ego4d.json in it or above its annotations, to tell which videos are val and test; put the one "
            "that the ego4d client wrote beside fho_main.json"
        )
    rows = SegmentRows()
    for path in files:
        for video in entries(path, read_json(path), "videos"):
            uid = video.get("video_uid")
            for interval in entries(path, video, "annotated_intervals"):
                actions = interval.get("narrated_actions")
                for count, action in enumerate(actions if isinstance(actions, list) else (), 1):
                    if isinstance(action, dict):
                        _add(rows, f"{path.name}: {uid}, action {count}", uid, action)
    return rows.segments(root, files, ego4d=ego4d)


def _add(rows: SegmentRows, place: str, uid: object, action: dict[str, Any]) -> None:
    text = action.get("narration_text")
    if action.get("is_valid_action") is False or action.get("is_rejected") is True:
        rows.skipped += 1
        return
    frames = action.get("critical_frames")
    pre, pnr, post = (_seconds(frames, name) for name in ("pre_frame", "pnr_frame", "post_frame"))
    if pre < post:
        moment = pnr if pre <= pnr <= post else math.nan
        rows.add(place, uid, pre, post, text, narration_source="change", narration_time=moment)
        return
    told = number(action.get("narration_timestamp_sec"))
    times = action.get("start_sec"), action.get("end_sec")
    rows.add(place, uid, *times, text, narration_source="action", narration_time=told)


def _seconds(frames: object, name: str) -> float:
    return number(frames.get(name)) / FRAMES_PER_SEC if isinstance(frames, dict) else math.nan
