"""egomcq.json, the questions of EgoMCQ as EgoVLP published them: its constants and its one reader."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egocurate.clip_table import CSV_COLUMNS, clip_key
from egocurate.errors import InputError

QUESTIONS_FILE = "egomcq.json"
CLIPS_FILE = "egomcq_clips.parquet"
"""The table of the clips that the questions of the file beside it offer."""

OPTIONS = 5
"""Clips that each question offers."""

INTER, INTRA = 1, 2
"""The two values of "types": options from five videos, or from one. EgoVLP's and LaViLa's code print them swapped."""

ITEM_FIELDS = tuple(name for name in CSV_COLUMNS if name != "clip_idx")
"""Keys of a query or a choice: the columns of egoclip.csv but the number of the row; the tags are text."""


@dataclass(frozen=True, slots=True)
class Option:
    """A clip that a question offers: the narration that names it in a clip table."""

    video_uid: str
    narration_source: str
    narration_ind: int

    @property
    def key(self) -> str:
        """The name of the clip in shards."""
        return clip_key(self.video_uid, self.narration_source, self.narration_ind)


@dataclass(frozen=True, slots=True)
class Question:
    """A narration with its marks, the five clips of which one is meant, that one's place, and INTER or INTRA."""

    text: str
    options: tuple[Option, ...]
    answer: int
    type: int


def read_questions(path: str | Path) -> dict[str, Question]:
    """Return the questions of an egomcq.json by their keys; InputError for a file that is not as published."""
    entries = read_json(path)
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path} holds no questions")
    return {name: _question(path, name, entry) for name, entry in entries.items()}


def read_json(path: str | Path, way_out: str = "give the egomcq.json that `curate egomcq` wrote") -> object:
    """Return what a file of questions holds, sound or not; InputError, with a way out, for one that is not JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {way_out}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}; {way_out}") from error


def _question(path: str | Path, name: str, entry: Mapping[str, Any]) -> Question:
    """Read one entry; what is no whole number or no text where there must be one is not taken for it."""
    try:
        question = Question(
            text=_text(entry["query"]["clip_text"]),
            options=tuple(read_option(entry["choices"][str(place)]) for place in range(OPTIONS)),
            answer=_whole(entry["answer"]),
            type=_whole(entry["types"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: question {name!r} is not as published: {type(error).__name__} {error}") from error
    if not 0 <= question.answer < OPTIONS:
        raise InputError(f"{path}: question {name!r} has answer {question.answer}, not one of 0 to {OPTIONS - 1}")
    if question.type not in (INTER, INTRA):
        raise InputError(
            f"{path}: question {name!r} has types {question.type}, not {INTER} (between videos) or {INTRA} (inside one)"
        )
    return question


def read_option(item: Mapping[str, Any]) -> Option:
    """Return which clip an item names; raises KeyError or TypeError for one that names none."""
    return Option(_text(item["video_uid"]), _text(item["narration_source"]), _whole(item["narration_ind"]))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    value.encode()  # ValueError for half of a surrogate pair, which JSON can write and no file can hold
    return value


def _whole(value: object) -> int:
    if type(value) is not int or abs(value) >= 1 << 63:
        raise TypeError(f"{value!r} is not a whole number")
    return value
