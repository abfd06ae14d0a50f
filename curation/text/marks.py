"""Narration texts: marks (#C, #O, #unsure, #summary), subject letters, and the normalized form used for equality."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

# "#C", "#c", "# C", "@c", "#CC", "#O", "#unsure", "#Summary", and "#X"/"#Y", which are no marks but are written. The
# next word may be glued to the letter: "#CCtalks", "#OOpoints", "#Cpicks"; not "#Cleans", "#Opens", which are words.
_MARK = re.compile(
    r"[#@]\s*(?:(?P<glued>cc|oo|c(?=[bdfgjkmnpqstvwxz]))(?=[a-z]{2})"
    r"|(?P<letter>[b-hj-z]|[cox]{2})\d?\b"
    r"|(?P<word>(?:un|not)[\s-]sure\w*|[^\W\d_]{4,}))[.,:;]*",
    re.IGNORECASE,
)
_UNSURE = ("unsure", "notsure", "unknown", "unclear", "uncertain")
# The ratio of `difflib`: "unsrue", "insure" and "usure" are as alike to "unsure", "summary" and "measure" are not.
_ALIKE = 0.75
_WORD = re.compile(r"\w")
_EDGE = " \t.,;:!?-_/\\\"'`()[]{}*“”‘’–—"

# A person's letter where a sentence begins. "A" and "I" are words as well: "A" counts as a person only before a word
# that looks like a verb in the third person ("A picks the cup", not "A man picks the cup", "A glass falls").
_AFTER_LETTER = r"(?:\s+|$|[,;:.)]|[-–—](?!\w))"
_LETTER = re.compile(rf"([B-HJ-Z]\d?|A(?=\s+\w+(?<!s)s\b)){_AFTER_LETTER}(?:\1{_AFTER_LETTER})*")
_LETTER_AFTER_MARK = re.compile(rf"([b-hj-zB-HJ-Z]\d?|A(?=\s+\w+(?<!s)s\b)){_AFTER_LETTER}(?:\1{_AFTER_LETTER})*")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A narration without marks: who acts ("C" wearer, "O" other, "" unknown), the words after the subject letter."""

    actor: str
    words: str
    letter: bool  # a subject letter stood before the words


def clean_text(raw: object) -> str:
    """Fold white space of a narration to single spaces and keep everything else; anything but a string gives ""."""
    return " ".join(raw.split()) if isinstance(raw, str) else ""


def sentence(text: str) -> Sentence:
    """Split a narration into its actor and its words, without marks and without the subject letter."""
    actor = next((mark for mark in _marks(text) if len(mark) == 1), "")
    words = _without_marks(text).strip(_EDGE)
    letter = (_LETTER_AFTER_MARK if actor else _LETTER).match(words)
    if letter:
        actor = actor or letter.group()[0]
        words = words[letter.end() :].lstrip(_EDGE)
    return Sentence(actor="C" if actor == "C" else "O" if actor else "", words=words, letter=letter is not None)


def normalize(text: str) -> str:
    """Lower-case a narration without marks, subject letter, last full stop: "#C C picks a bag." -> "picks a bag"."""
    return sentence(text).words.lower()


def word_count(text: str) -> int:
    """Count the words of a narration, marks not counted but the subject letter counted: "#C C speaks" has 2."""
    return sum(1 for word in _without_marks(text).split() if _WORD.search(word))


def is_unsure(text: str) -> bool:
    """Tell whether the annotator marked any part of a narration as unsure, however it is spelled ("#Unssure")."""
    return "unsure" in _marks(text)


def _marks(text: str) -> Iterator[str]:
    """Yield the marks of a narration: a capital letter, "unsure" or "summary"; "" for a word that is no mark."""
    return map(_mark, _MARK.finditer(text))


def _without_marks(text: str) -> str:
    return clean_text(_MARK.sub(lambda match: " " if _mark(match) else f" {match['word']} ", text))


def _mark(match: re.Match[str]) -> str:
    if not match["word"]:
        return (match["glued"] or match["letter"])[0].upper()
    word = re.sub(r"[\s-]", "", match["word"].lower())
    return "summary" if word == "summary" else "unsure" if _says_unsure(word) else ""


@lru_cache(maxsize=1 << 10)
def _says_unsure(word: str) -> bool:
    """Tell whether a word begins with "unsure" or the like, a slip of the fingers allowed: "unsurefrom", "unsrue"."""
    return any(SequenceMatcher(None, name, word[: len(name)]).ratio() >= _ALIKE for name in _UNSURE)
