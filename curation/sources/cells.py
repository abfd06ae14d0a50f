"""What stands in the cells of strangers' tables and JSON files: numbers, lengths, sizes, texts."""

import math
import re
from collections.abc import Iterable

LONGEST_SEC = 1e7
"""Seconds of the longest video, 115 days; what claims more is not the length of one."""

LARGEST_PIXELS = 100_000
"""Width or height of the largest picture."""

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_COUNT = re.compile(r"[0-9]{1,6}")


def number(value: object) -> float:
    """Return a JSON number as float, NaN for anything else (null, text, true)."""
    if type(value) is float:  # as nearly all of millions are
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an integer beyond float64
        return math.inf


def decimal(text: str) -> float:
    """Return the number that a text writes in plain digits, NaN for any other text and for one beyond float64."""
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    return value if math.isfinite(value) else math.nan


def clock_or_seconds(text: str) -> float:
    """Return seconds, with minutes and hours before them in a clock time, NaN for another text; 1,5 is 1.5."""
    *before, last = text.replace(",", ".").split(":")
    seconds = decimal(last)
    if not before:
        return seconds
    counts = [int(part) for part in before if _COUNT.fullmatch(part)]
    if len(counts) != len(before) or len(counts) > 2 or not 0 <= seconds < 60 or any(n >= 60 for n in counts[1:]):
        return math.nan
    return seconds + sum(count * 60**place for place, count in enumerate(reversed(counts), 1))


def first_duration(values: Iterable[float]) -> float:
    """Return the first of several lengths in seconds that a video can have, NaN if there is none."""
    return next((value for value in values if 0 < value <= LONGEST_SEC), math.nan)


def first_pixels(values: Iterable[float]) -> int:
    """Return the first of several sizes in pixels that a picture can have, 0 if there is none."""
    return next((int(value) for value in values if 0 < value <= LARGEST_PIXELS), 0)


def storable(text: object) -> str:
    """Return a text that any file can hold, without NUL and halves of surrogate pairs; "" for anything but a str."""
    if not isinstance(text, str):
        return ""
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", " ") if "\0" in text else text
