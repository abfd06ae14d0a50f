"""Clips of labeled videos and segments: their table, with the classes as columns."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.clip_table import CLIP_SCHEMA, clip_key
from egocurate.curation.labels.annotations import Annotations
from egocurate.curation.labels.label_names import number_labels
from egocurate.curation.text.marks import normalize
from egocurate.errors import InputError
from egocurate.labels import LabelNames, with_labels

NEIGHBOURHOOD_SECONDS = 60.0


class LabeledClips(NamedTuple):
    """A clip table with labels; what waits for a video, by uid; how many labels are not known, by kind."""

    table: pa.Table
    waiting: dict[str, int]
    unknown: dict[str, int]


def labeled_clips(rows: Annotations, videos: pd.DataFrame, given: LabelNames) -> LabeledClips:
    """Return a clip for each row whose end is known: as the file has it, or the end of a video that is on disk.

    `videos` has the columns video_uid and video_dur of a `Source`, `given` the names of classes that are fixed.
    A neighborhood is a minute of one video. Raises InputError as `number_labels`.
    """
    numbers, names, unknown = number_labels(rows, given)
    length = dict(zip(videos["video_uid"], videos["video_dur"], strict=True))
    duration = np.array([length.get(uid, np.nan) for uid in rows.uid], np.float64)
    start = np.nan_to_num(rows.start, nan=0.0)
    end = np.where(np.isnan(rows.end), duration, rows.end)
    usable = end > start  # of a video that does not open, or is shorter than a row says, no end is known
    waiting = Counter(uid for uid, is_usable in zip(rows.uid, usable, strict=True) if not is_usable)
    kept = np.flatnonzero(usable)
    order = kept[np.lexsort((rows.number[kept], start[kept], np.array(rows.uid, dtype=object)[kept].astype(str)))]
    table = _table(rows, order, start, end, duration)
    labels = {kind: of_kind[order] for kind, of_kind in numbers.items()}
    return LabeledClips(with_labels(table, labels, names), dict(sorted(waiting.items())), unknown)


def attach_labels(clips: pa.Table, rows: Annotations, given: LabelNames) -> tuple[pa.Table, dict[str, int]]:
    """Return a clip table with the labels of rows whose clips it has, and how many labels are not known, by kind.

    Raises InputError as `number_labels`, and if a clip has no row.
    """
    numbers, names, unknown = number_labels(rows, given)
    keys = [clip_key(uid, rows.source, int(number)) for uid, number in zip(rows.uid, rows.number, strict=True)]
    place = pc.index_in(clips["key"], value_set=pa.array(keys, pa.string()))
    if place.null_count:
        lacking = clips["key"].filter(pc.is_null(place))
        raise InputError(f"{rows.path}: {len(lacking):,} clips have no label there ({lacking[0].as_py()})")
    at = place.to_numpy()
    return with_labels(clips, {kind: of_kind[at] for kind, of_kind in numbers.items()}, names), unknown


def _table(rows: Annotations, order: np.ndarray, start: np.ndarray, end: np.ndarray, duration: np.ndarray) -> pa.Table:
    start, end, number, time = start[order], end[order], rows.number[order], rows.time[order]
    uid, texts = [rows.uid[row] for row in order], [rows.text[row] for row in order]
    time = np.where(np.isnan(time), (start + end) / 2, time)
    video = np.unique(np.array(uid, dtype=str), return_inverse=True)[1] if len(uid) else np.zeros(0, np.int64)
    slot = np.floor((start + end) / 2 / NEIGHBOURHOOD_SECONDS).astype(np.int64)
    first = (np.diff(video, prepend=-1) != 0) | (np.diff(slot, prepend=-1) != 0)
    nothing: list[list[int]] = [[] for _ in order]
    columns = {
        "clip_idx": np.arange(len(order)),
        "video_uid": uid,
        # Where the video is not there, the end of its segment: no more is known of it.
        "video_dur": np.where(np.isnan(duration[order]), end, duration[order]),
        "narration_source": [rows.source] * len(order),
        "narration_ind": number,
        "narration_time": time,
        "clip_start": start,
        "clip_end": end,
        "clip_text": texts,
        "tag_verb": nothing,
        "tag_noun": nothing,
        "key": [clip_key(one, rows.source, int(n)) for one, n in zip(uid, number, strict=True)],
        "text": [normalize(text) for text in texts],
        "window_start": start,
        "window_end": end,
        "neighbourhood": np.cumsum(first) - 1,
        "negatives": nothing,
    }
    return pa.table({name: pa.array(columns[name], CLIP_SCHEMA.field(name).type) for name in CLIP_SCHEMA.names})
