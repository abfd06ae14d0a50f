"""What pages and help tell people to type: blocks of shell lines and of Python, each with the place it stands at."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from egocurate.commands.curate import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Snippet:
    """Something a reader may copy, and where: `page:line`."""

    place: str
    text: str


def blocks(language: str) -> Iterator[Snippet]:
    """Yield the blocks of a language of every page."""
    for page in PAGES:
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            if found[1] == language:
                yield Snippet(_place(page, text, found.start(2)), found[2])


def command_lines() -> list[Snippet]:
    """Return every distinct command of the shell blocks, comments gone and continued lines joined, in page order."""
    lines: dict[str, Snippet] = {}
    for block in blocks("bash"):
        page, _, first = block.place.rpartition(":")
        start, joined = 0, ""
        for number, line in enumerate(block.text.splitlines()):
            start = start if joined else number
            joined += re.sub(r"(^|\s)#.*", "", line).rstrip()
            if joined.endswith("\\"):
                joined = joined[:-1]
                continue
            if words := " ".join(joined.split()):
                lines.setdefault(words, Snippet(f"{page}:{int(first) + start}", words))
            joined = ""
    return list(lines.values())


def help_lines() -> list[Snippet]:
    """Return every command that the help of a verb shows, continued lines joined."""
    lines = []
    for command in app.registered_commands:
        text = inspect.getdoc(command.callback).replace("\\\n", "")
        verb = command.name or command.callback.__name__
        for found in re.finditer(r"^(?:Example:)? *((?:curate|torchrun) .*)$", text, re.MULTILINE):
            lines.append(Snippet(f"curate {verb} --help", " ".join(found[1].split())))
    return lines


def inline_code() -> list[Snippet]:
    """Return every distinct piece of code within a sentence or a table."""
    pieces: dict[str, Snippet] = {}
    for page in PAGES:
        text = page.read_text()
        without_blocks = _BLOCK.sub(lambda block: "\n" * block[0].count("\n"), text)
        for found in _INLINE.finditer(without_blocks):
            pieces.setdefault(found[1], Snippet(_place(page, without_blocks, found.start()), found[1]))
    return list(pieces.values())


def _place(page: Path, text: str, at: int) -> str:
    return f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, at) + 1}"
