"""What Ego4D's files of queries and of moments share: videos, of each some clips, of each some annotations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.storage.json_notes import read_note

Annotation = dict[str, Any]


@dataclass(frozen=True)
class ClipEntry:
    """A clip of a video, from start to end in seconds of the video."""

    uid: str
    video: str
    start_sec: float
    end_sec: float

    @property
    def length_sec(self) -> float:
        """Its length."""
        return self.end_sec - self.start_sec


def clips_of(path: Path, key: str, form: str) -> tuple[str, list[tuple[ClipEntry, list[Annotation]]]]:
    """Return a file's version, and its clips, each with the list of objects that it has under `key`.

    form: what the file should be, for the line of whoever gave another. A clip without that list has an empty one, as
    those of the test files have. Raises InputError.
    """
    try:
        content = read_note(path, dict, f"take Ego4D's {form} as published")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; take Ego4D's {form}") from error
    clips = [entry for video in listed(path, content, "videos", form) for entry in _of_video(path, video, key, form)]
    return str(content.get("version", "")), clips


def listed(path: Path, owner: Annotation, key: str, form: str) -> list[Annotation]:
    """Return the list of objects under a key; raises InputError where there is none."""
    found = owner.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise InputError(
            f"{path}: has no list `{key}` of objects where Ego4D's {form} has one: another version's file?"
        )
    return found


def whole_text(path: Path, owner: Annotation, key: str) -> str:
    """Return the text under a key; raises InputError where there is none."""
    found = owner.get(key)
    if not isinstance(found, str) or not found:
        raise InputError(f"{path}: {key} is {found!r}, no text: another version's file?")
    return found


def seconds(value: object) -> float:
    """Return a JSON number, nan for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e9 else math.nan


def check_one_version(versions: Sequence[tuple[Path, str]]) -> None:
    """Raise InputError if files are of different versions: their clips and answers would not be of one set."""
    if len({version for _, version in versions}) > 1:
        said = ", ".join(f"{path} of version {version or 'unknown'}" for path, version in versions)
        raise InputError(f"annotations of different versions: {said}; take both from one")


def _of_video(path: Path, video: Annotation, key: str, form: str) -> Iterator[tuple[ClipEntry, list[Annotation]]]:
    name = whole_text(path, video, "video_uid")
    for clip in listed(path, video, "clips", form):
        uid = whole_text(path, clip, "clip_uid")
        start, end = (seconds(clip.get(f"video_{side}_sec")) for side in ("start", "end"))
        if not end > start:  # also where one is no number
            raise InputError(f"{path}: clip {uid} lasts from {start:g} to {end:g} s: another version's file?")
        start = max(start, 0.0)  # some begin a trifle before their video
        yield ClipEntry(uid, name, start, end), listed(path, clip, key, form) if key in clip else []
