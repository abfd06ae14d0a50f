"""Query-focused summaries as published for UT-Ego: the concepts of each shot, and the shots that answer each query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from egocurate.errors import InputError

SHOT_SEC = 5.0
TAGS, SUMMARIES = "Dense_per_shot_tags", Path("Query-Focused_Summaries", "Oracle_Summaries")
END = "_oracle.txt"
SAID = {"cupglass": "glass", "musicalinstrument": "instrument", "petsanimal": "animal"}
"""what EgoVLPv2 says in the place of concepts that are two words in one"""


@dataclass(frozen=True)
class Summary:
    """The shots, from 0, that a person would show of a video to answer a query of two concepts."""

    concepts: tuple[str, str]
    shots: np.ndarray

    @property
    def name(self) -> str:
        """The query, as its file is named."""
        return "_".join(self.concepts)


@dataclass(frozen=True)
class TaggedVideo:
    """A video of which the concepts of each shot are known, bool [N, C], and some summaries."""

    name: str
    shows: np.ndarray
    summaries: Sequence[Summary]


def read_qfvs(root: Path) -> tuple[list[TaggedVideo], list[str]]:
    """Return the videos of a folder in the published form, and the names of concepts; cases of letters do not count.

    Raises InputError for a folder or a file of another form.
    """
    folder = root / SUMMARIES
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if not names:
        raise InputError(f"{root}: has no {SUMMARIES}/<video>: take the folder that holds it and {TAGS}, as published")
    lines = {name: _shot_tags(root / TAGS / name / f"{name}.txt") for name in names}
    concepts = sorted({concept for video in lines.values() for shot in video for concept in shot})
    place = {concept: number for number, concept in enumerate(concepts)}
    videos = []
    for name in names:
        shows = np.zeros((len(lines[name]), len(concepts)), bool)
        for shot, shown in enumerate(lines[name]):
            shows[shot, [place[concept] for concept in shown]] = True
        paths = sorted(path for path in (folder / name).iterdir() if path.name.endswith(END))
        if not paths:
            raise InputError(f"{folder / name}: holds no <concept>_<concept>{END}")
        videos.append(TaggedVideo(name, shows, [_summary(path, len(shows)) for path in paths]))
    return videos, concepts


def _shot_tags(path: Path) -> list[set[str]]:
    """Return the concepts of each line; an empty line is a shot that shows none."""
    return [{part.strip().casefold() for part in line.split(",")} - {""} for line in _text(path).splitlines()]


def _summary(path: Path, count: int) -> Summary:
    concepts = tuple(path.name.removesuffix(END).casefold().split("_"))
    if len(concepts) != 2 or not all(concepts):
        raise InputError(f"{path}: its name is not of two concepts, <concept>_<concept>{END}")
    numbers = _text(path).split()
    wrong = next((one for one in numbers if not (one.isdecimal() and 1 <= int(one) <= count)), None)
    if wrong is not None or not numbers:
        what = "has no line" if wrong is None else f"{wrong!r} is no shot of {count} in its video, from 1"
        raise InputError(f"{path}: {what}: another version's file?")
    return Summary(concepts, np.unique(np.array(numbers, np.int64)) - 1)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; the summaries beside it need it") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error


def sentence_of(concepts: Sequence[str]) -> str:
    """Return what EgoVLPv2 asks for one concept or for two."""
    return "There is " + " and ".join(f"a {SAID.get(concept, concept)}" for concept in concepts)
