"""Labeled videos and segments as a file names them, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from egocurate.curation.sources.cells import LONGEST_SEC
from egocurate.curation.sources.video_folders import video_name
from egocurate.errors import InputError
from egocurate.storage.paths import AnyPath

SOURCE = "labels"
"""narration_source of clips that a file of labels names, where the data set has no name of its own for it."""

NAMED_ROWS = 3


@dataclass(frozen=True)
class Annotations:
    """N rows of a file: a video or a segment of one each, and its labels as texts, "" where there is none.

    `video` is a path or a name as the file has it, `uid` what the video is called in tables. `start` and `end` are in
    seconds, NaN for the beginning and the end of the video; `time` is the moment that a row is about, NaN for the
    middle. `number` counts the rows of a video, or is the data set's own number. `names` are the classes that the
    format itself brings. A label of an `open_kinds` that is not among the names is not known; of others, a mistake.
    `described` kinds say what a row is like and are not learned: each file numbers them for itself, whatever names are
    given. `skipped` entries of the file are none.
    """

    path: AnyPath
    places: list[str]
    video: list[str]
    uid: list[str]
    start: np.ndarray
    end: np.ndarray
    labels: dict[str, list[str]]
    text: list[str]
    time: np.ndarray
    number: np.ndarray
    source: str = SOURCE
    names: dict[str, list[str]] = field(default_factory=dict)
    open_kinds: frozenset[str] = frozenset()
    described: frozenset[str] = frozenset()
    skipped: int = 0

    def __len__(self) -> int:
        """Return N."""
        return len(self.video)


def annotations(
    path: AnyPath,
    places: list[str],
    video: list[str],
    labels: dict[str, list[str]],
    *,
    uid: list[str] | None = None,
    start: np.ndarray | None = None,
    end: np.ndarray | None = None,
    **more: object,
) -> Annotations:
    """Return rows as Annotations, what is not given filled in; raises InputError for a file that contradicts itself.

    For a row without a video, an end that is not after its start, and two files that would have one uid.
    """
    count = len(video)
    if not count:
        raise InputError(f"{path}: no rows; there is one for each labeled video or segment")
    uids = [name or video_name(one) for one, name in zip(video, uid or [""] * count, strict=True)]
    nothing = np.full(count, np.nan)
    start, end = (nothing if one is None else one for one in (start, end))
    refuse(path, places, [not name for name in uids], "names no video")
    refuse(path, places, (start > LONGEST_SEC) | (end > LONGEST_SEC), f"has a time beyond {LONGEST_SEC:,.0f} s")
    refuse(
        path, places, (end <= start) | (end <= 0) | (start < 0), "ends before it starts; give start < end in seconds"
    )
    file_of: dict[str, str] = {}
    for place, name, one in zip(places, uids, video, strict=True):
        if file_of.setdefault(name, one) != one:
            raise InputError(
                f"{path}: {place}: {one} and {file_of[name]} have one name; give each video its own in a column "
                "video_uid"
            )
    filled = {"text": [""] * count, "time": nothing, "number": _numbered(uids)} | more
    return Annotations(path, places, video, uids, start, end, labels, **filled)


def refuse(path: AnyPath, places: list[str], wrong: object, what: str) -> None:
    """Raise InputError for rows of a file that are wrong (bool[N]): how many there are, the first, and what is."""
    rows = np.flatnonzero(np.asarray(wrong, bool))
    if len(rows):
        more = f" (and {len(rows) - 1:,} more rows)" if len(rows) > 1 else ""
        raise InputError(f"{path}: {places[rows[0]]} {what}{more}")


def _numbered(uids: list[str]) -> np.ndarray:
    """Count the rows of each video from 0, int64[N]."""
    seen: dict[str, int] = {}
    numbers = np.empty(len(uids), np.int64)
    for row, uid in enumerate(uids):
        numbers[row] = seen[uid] = seen.get(uid, -1) + 1
    return numbers
