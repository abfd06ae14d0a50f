"""The page of what was found: one file that plays the stretches, and the same behind a search box."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, select_autoescape

from egocurate.commands.search.sheet import Answer
from egocurate.commands.search.stretch import ShownStretch, clock
from egocurate.storage.atomic import write_text
from egocurate.training.search import Hit


@dataclass(frozen=True)
class Figure:
    """A hit on a page: where its strip and its video are (URLs; "" for none), and what is said of it."""

    place: int
    video: str
    strip: str
    name: str
    start: str
    end: str
    score: str
    missing: str = ""


@dataclass(frozen=True)
class Section:
    """A text, and the figures of what was found for it."""

    text: str
    figures: list[Figure]


def write_page(path: Path, answers: Sequence[Answer], shown: Mapping[Hit, ShownStretch], about: str) -> None:
    """Write one HTML file, with the stretches inside, that needs no other file and no network."""

    def figure(place: int, hit: Hit) -> Figure:
        stretch = shown[hit]
        video, strip = _data("video/mp4", stretch.mp4), _data("image/jpeg", stretch.strip)
        return figure_of(place, hit, video, strip, stretch.missing)

    write_text(path, render("page.html.j2", sections(answers, figure), about=about, media=""))


def sections(answers: Sequence[Answer], figure: Callable[[int, Hit], Figure]) -> list[Section]:
    """Return a section for each text, with the figure of each hit."""
    return [
        Section(answer.text, [figure(place, hit) for place, hit in enumerate(answer.hits, 1)]) for answer in answers
    ]


def figure_of(place: int, hit: Hit, video: str, strip: str, missing: str = "") -> Figure:
    """Return the figure of a hit whose video and strip are at these URLs."""
    start, end = clock(hit.start_sec), clock(hit.end_sec)
    return Figure(place, video, strip, hit.video, start, end, f"{hit.score:.2f}", missing)


def render(template: str, found: Sequence[Section], **facts: object) -> str:
    """Return the HTML of a template of this folder; whatever comes from a file or a person is escaped."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("egocurate.commands.search"), PackageLoader("egocurate.commands.report")]),
        autoescape=select_autoescape((".html.j2",)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = environment.get_template("play.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template(template).render(sections=found, script=script, script_hash=digest, **facts)


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}" if content else ""
