"""Narration texts: marks (#C, #O, #unsure, #summary), subject letters, and the normalized form used for equality."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from egocurate.curation.text.inflection import is_english, is_verb_form

# "#C", "#c", "# C", "#CC", "#O", "#unsure", "#Summary", and "#X"/"#Y", which are no marks but are written; "@" and "$"
# are the keys beside "#". The next word may be glued to the letter: "#CCtalks", "#Opicks".
_MARK = re.compile(
    r"(?:[#@$]\s*(?:(?P<letter>[b-hj-z]|[cox]{2})\d?\b|(?P<word>(?:un|not)[\s-]sure\w*|[^\W\d_]{3,}))"
    r"|[*(\[](?P<aside>unsure)[*)\]])[.,:;]*",
    re.IGNORECASE,
)
_MARKED_WORD = re.compile(r"[#@$*(\[]\s*[^\W\d_]{2}")
_GLUED = re.compile(r"cc|oo|c|o", re.IGNORECASE)
_UNSURE = ("unsure", "notsure", "unknown", "unclear", "uncertain")
# The ratio of `difflib`: "unsrue", "insure" and "usure" are as alike to "unsure", "summary" and "measure" are not.
_ALIKE = 0.75
_WORD = re.compile(r"\w")
ACTOR = "#C C "
"""Ego4D's mark of the camera wearer, and the letter for the one who acts."""
PLAIN = r"#([CO]) [CO] ([a-z]+(?: [a-z]+)*)\.?"
"""What most of millions of narrations are, and what then needs no further look: "#C C picks a bag"."""

_PLAIN = re.compile(PLAIN)
_EDGE = " \t.,;:!?-_/\\\"'`()[]{}*“”‘’–—"

# A person's letter where a sentence begins. "A" and "I" are words as well: "A" counts as a person only before a word
# that looks like a verb in the third person ("A picks the cup", not "A man picks the cup", "A glass falls").
_AFTER_LETTER = r"(?:\s+|$|[,;:.)]|[-–—](?!\w))"


def _letter(capital_or_not: str) -> re.Pattern[str]:
    person = rf"([{capital_or_not}]\d?|[cC]{{2}}|[oO]{{2}}|A(?=\s+\w+(?<!s)s\b))"
    return re.compile(rf"{person}{_AFTER_LETTER}(?:\1{_AFTER_LETTER})*")


_LETTER, _LETTER_AFTER_MARK = _letter("B-HJ-Z"), _letter("b-hj-zB-HJ-Z")


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
    if plain := _PLAIN.fullmatch(text):
        return Sentence(actor=plain[1], words=plain[2], letter=True)
    actor = next((mark for match in _MARK.finditer(text) if len(mark := _mark(match)) == 1), "")
    words = _without_marks(text).strip(_EDGE)
    letter = (_LETTER_AFTER_MARK if actor else _LETTER).match(words)
    end = letter.end() if letter else len(_glued(words.split(" ", 1)[0])) if actor else 0
    if end:
        actor = actor or words[0]
        words = words[end:].lstrip(_EDGE)
    return Sentence(actor="C" if actor == "C" else "O" if actor else "", words=words, letter=end > 0)


def normalize(text: str) -> str:
    """Lower-case a narration without marks, subject letter, last full stop: "#C C picks a bag." -> "picks a bag"."""
    return sentence(text).words.lower()


def word_count(text: str) -> int:
    """Count the words of a narration, marks not counted but the subject letter counted: "#C C speaks" has 2."""
    return sum(1 for word in _without_marks(text).split() if _WORD.search(word))


def is_unsure(text: str) -> bool:
    """Tell whether the annotator marked any part of a narration as unsure, however it is spelled ("#Unssure")."""
    if not _MARKED_WORD.search(text):  # as in nearly all of millions of narrations
        return False
    return any(_mark(match) == "unsure" for match in _MARK.finditer(text))


def _without_marks(text: str) -> str:
    return clean_text(_MARK.sub(_left_of, text))


def _mark(match: re.Match[str]) -> str:
    """Return what a mark says: a person's letter, "unsure" or "summary"; "" for a word that is no mark."""
    if match["letter"]:
        return match["letter"][0].upper()
    word = re.sub(r"[\s-]", "", (match["word"] or match["aside"]).lower())
    if word == "summary":
        return word
    return "unsure" if _says_unsure(word) else _glued(word)[:1].upper()


def _left_of(match: re.Match[str]) -> str:
    """Return what a mark leaves in the sentence: the word that is glued to its letter, or a word that is no mark."""
    if match["letter"] or len(_mark(match)) > 1:
        return " "
    return f" {match['word'][len(_glued(match['word'])) :]} "


@lru_cache(maxsize=1 << 10)
def _glued(word: str) -> str:
    """Return the letters of a person that a verb is glued to: "CC" of "CCtalks", "" of "cuts"."""
    letters = _GLUED.match(word)
    verb = word[letters.end() :].lower() if letters else ""
    return letters.group() if len(verb) > 2 and is_verb_form(verb) and not is_english(word.lower()) else ""


@lru_cache(maxsize=1 << 10)
def _says_unsure(word: str) -> bool:
    """Tell whether a word begins with "unsure" or the like, a slip of the fingers allowed: "unsurefrom", "unsrue"."""
    return any(SequenceMatcher(None, name, word[: len(name)]).ratio() >= _ALIKE for name in _UNSURE)
