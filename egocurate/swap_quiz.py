"""swap_quiz.json: the questions that ask which text is right of a clip, its own or a swap; constants and one reader.

The form is EgoHOIBench's (2405.17719, section 3): the text stands among ten with another verb, and among ten with
another noun.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egocurate.errors import InputError
from egocurate.questions import Option, read_json, read_option
from egocurate.text_choices import TEXT_COLUMNS, TextForm

SWAP_QUIZ_FILE = "swap_quiz.json"
SWAPS = 10
"""Swaps of each kind that EgoHOIBench has."""


@dataclass(frozen=True, slots=True)
class SwapQuestion:
    """A clip, its text, and texts that are wrong of it: with another verb, with another noun; in one form."""

    clip: Option
    text: str
    verb_swaps: tuple[str, ...]
    noun_swaps: tuple[str, ...]


def read_swap_quiz(path: str | Path, form: TextForm) -> dict[str, SwapQuestion]:
    """Return the questions of a swap_quiz.json by their keys, texts in a form; InputError for a file that is none."""
    entries = read_json(path, "give the swap_quiz.json that `curate swap-quiz` wrote")
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path} holds no questions")
    return {name: _question(path, name, entry, TEXT_COLUMNS[form]) for name, entry in entries.items()}


def _question(path: str | Path, name: str, entry: Mapping[str, Any], column: str) -> SwapQuestion:
    try:
        swaps = (tuple(_text(item[column]) for item in entry[kind]) for kind in ("verb_swaps", "noun_swaps"))
        question = SwapQuestion(read_option(entry["clip"]), _text(entry["clip"][column]), *swaps)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: question {name!r} is none: {type(error).__name__} {error}; write it again with `curate swap-quiz`"
        ) from error
    if not question.verb_swaps or not question.noun_swaps:
        raise InputError(f"{path}: question {name!r} has no verb_swaps or no noun_swaps")
    return question


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    value.encode()  # ValueError for half of a surrogate pair, which no file can hold
    return value
