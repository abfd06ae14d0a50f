"""What a class is called in words, and the sentences that ask for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from egocurate.errors import InputError

PLACE = "{}"
"""where the class's phrase stands in a template"""
MOST_TEMPLATES = 1_000
_NUMBER = re.compile(r"\s*-?[0-9]+\s*")
_ASIDE = re.compile(r"\s*\([^)]*\)")


def class_phrase(name: str) -> str:
    """Return a class's name as one says it: "turn-on" is "turn on", "maker:coffee" "coffee maker".

    EPIC-KITCHENS writes "-" for a space and puts what is special about a thing behind a colon; Ego4D's taxonomies write
    "_", and other words for the same in brackets, "take_(pick,_grab,_get)"; Something-Something has "[something]".
    """
    words = _ASIDE.sub("", re.sub(r"[-_]", " ", name)) or name
    main, *special = re.sub(r"[\[\]]", "", words).split(":")
    return " ".join(" ".join([*reversed(special), main]).split())


def unnamed(names: Sequence[str]) -> list[int]:
    """Return the numbers of the classes whose name is only a number, or nothing."""
    return [number for number, name in enumerate(names) if not class_phrase(name) or _NUMBER.fullmatch(name)]


def fill(templates: Sequence[str], phrase: str) -> list[str]:
    """Return a class's phrase in each template."""
    return [template.replace(PLACE, phrase) for template in templates]


def read_templates(path: Path) -> list[str]:
    """Read templates, one on each line, as "a video of {}"; empty lines and those that begin with "##" do not count.

    Raises InputError for a file that cannot be read or has none, and for a line without exactly one {}.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read; give a text file with a template on each line") from error
    numbered = [(number, " ".join(line.split())) for number, line in enumerate(lines, 1)]
    templates = [(number, line) for number, line in numbered if line and not line.startswith("##")]
    for number, line in templates:
        if line.count(PLACE) != 1:
            raise InputError(
                f"{path}: line {number} is {line[:60]!r}; write {PLACE} once where the class's name stands"
            )
    if not 0 < len(templates) <= MOST_TEMPLATES:
        raise InputError(
            f"{path}: {len(templates)} templates; write 1 to {MOST_TEMPLATES}, one on each line, as: a video of {PLACE}"
        )
    return [line for _, line in templates]
