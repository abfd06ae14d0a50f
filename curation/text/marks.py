"""Narration texts: marks (#C, #O, #unsure, #summary), subject letters, and the normalized form used for equality."""

import re
from dataclasses import dataclass

# "#C", "#c", "# C", "@c", "#CC", "#O", "#unsure", "#Summary", and "#X"/"#Y", which are no marks but are written.
_MARK = re.compile(r"[#@]\s*(unsure|summary|cc?|oo?|x|y)\b[.,:;]*", re.IGNORECASE)
_UNSURE = re.compile(r"[#@]\s*unsure\b", re.IGNORECASE)
_WORD = re.compile(r"\w")
_TRAILING = " \t.,;:!?-_/\\\"'`"

# A person's letter where a sentence begins. "A" and "I" are words as well: "A" counts as a person only before a word
# that looks like a verb in the third person ("A picks the cup", not "A man picks the cup", "A glass falls").
_LETTER = re.compile(r"(?:[B-HJ-Z]|A(?=\s+\w+(?<!s)s\b))(?:\s+|$)")
_LETTER_AFTER_MARK = re.compile(r"(?:[b-hj-zB-HJ-Z]|A(?=\s+\w+(?<!s)s\b))(?:\s+|$)")


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
    marks = [match.group(1).lower() for match in _MARK.finditer(text)]
    actor = next((mark[0].upper() for mark in marks if mark in ("c", "cc", "o", "oo", "x", "y")), "")
    words = clean_text(_MARK.sub(" ", text)).strip(_TRAILING)
    letter = (_LETTER_AFTER_MARK if actor else _LETTER).match(words)
    if letter:
        actor = actor or ("C" if letter.group().strip() == "C" else "O")
        words = words[letter.end() :]
    return Sentence(actor="C" if actor in ("C", "CC") else "O" if actor else "", words=words, letter=letter is not None)


def normalize(text: str) -> str:
    """Lower-case a narration without marks, subject letter, last full stop: "#C C picks a bag." -> "picks a bag"."""
    return sentence(text).words.lower()


def word_count(text: str) -> int:
    """Count the words of a narration, marks not counted but the subject letter counted: "#C C speaks" has 2."""
    return sum(1 for word in _MARK.sub(" ", text).split() if _WORD.search(word))


def is_unsure(text: str) -> bool:
    """Tell whether the annotator marked any part of a narration as unsure."""
    return _UNSURE.search(text) is not None
