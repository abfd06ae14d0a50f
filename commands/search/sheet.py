"""A contact sheet: for each text the stretches that were found, each as a strip of film."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from egocurate.commands.report.film_strip import FILM
from egocurate.commands.search.stretch import ShownStretch, clock
from egocurate.storage.atomic import atomic_write
from egocurate.training.search import Hit

COLUMNS = 2
WIDTH, EDGE, GAP = 600, 24, 18  # pixels: of a strip, of the border, between strips
HEAD, CAPTION, EMPTY = 46, 24, 96
PAPER, INK, SOFT = (247, 248, 250), (29, 35, 48), (88, 96, 116)


class Answer(NamedTuple):
    """A text and what was found for it, the best first."""

    text: str
    hits: list[Hit]


def write_sheet(path: Path, answers: Sequence[Answer], shown: Mapping[Hit, ShownStretch]) -> None:
    """Write a PNG with a strip of each hit, two beside each other, below the text that found it."""
    parts = [_part(answer, shown) for answer in answers]
    sheet = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP + 2 * EDGE, sum(p.height for p in parts) + EDGE), PAPER)
    top = EDGE // 2
    for part in parts:
        sheet.paste(part, (EDGE, top))
        top += part.height
    atomic_write(path, lambda file: sheet.save(file, "PNG", optimize=True))


def _part(answer: Answer, shown: Mapping[Hit, ShownStretch]) -> Image.Image:
    """Return the drawing of one text: its words, and its hits in rows from left to right."""
    cells = [_cell(place, hit, shown[hit]) for place, hit in enumerate(answer.hits, 1)]
    rows = [cells[first : first + COLUMNS] for first in range(0, len(cells), COLUMNS)]
    heights = [max(cell.height for cell in row) for row in rows]
    part = Image.new("RGB", (COLUMNS * (WIDTH + GAP) - GAP, HEAD + sum(heights) + GAP * len(rows)), PAPER)
    draw = ImageDraw.Draw(part)
    draw.text((0, 10), answer.text, fill=INK, font=_font(22))
    top = HEAD
    for row, height in zip(rows, heights, strict=True):
        for column, cell in enumerate(row):
            part.paste(cell, (column * (WIDTH + GAP), top))
        top += height + GAP
    return part


def _cell(place: int, hit: Hit, stretch: ShownStretch) -> Image.Image:
    """Return the drawing of one hit: the strip, and below it where that is."""
    strip = Image.open(io.BytesIO(stretch.strip)) if stretch.strip else _nothing(stretch.missing)
    strip = strip.resize((WIDTH, round(strip.height * WIDTH / strip.width)), Image.Resampling.LANCZOS)
    cell = Image.new("RGB", (WIDTH, strip.height + CAPTION), PAPER)
    cell.paste(strip, (0, 0))
    draw = ImageDraw.Draw(cell)
    where = f"{place}.  {clock(hit.start_sec)} to {clock(hit.end_sec)}"
    draw.text((0, strip.height + 5), where, fill=INK, font=_font(14))
    right = f"{hit.score:.2f}   {hit.video}"
    draw.text((strip.width, strip.height + 5), right, fill=SOFT, font=_font(14), anchor="ra")
    return cell


def _nothing(why: str) -> Image.Image:
    film = Image.new("RGB", (WIDTH, EMPTY), FILM)
    ImageDraw.Draw(film).text((12, EMPTY // 2 - 8), why, fill=PAPER, font=_font(14))
    return film


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
