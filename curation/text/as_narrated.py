"""A text as somebody types it to search, in the words of a narration: models have read nothing else."""

from collections.abc import Sequence

from egocurate.curation.text.inflection import third_person, verb_bases
from egocurate.curation.text.marks import ACTOR, normalize
from egocurate.curation.text.subject import ARTICLES, rather_noun, starts_with_verb
from egocurate.curation.text.wordnet import is_verb
from egocurate.text_choices import TextForm


def as_narrated(text: str) -> str:
    """Return a text normalized, its first verb in the third person: "Open the fridge." -> "opens the fridge".

    Narrations say what "C" does: an order ("open"), a gerund ("opening"), "to open" and "I open" become that. A text
    that begins with a thing ("cup on a table"), or is in the third person already, stays; "" if no word is in it.
    """
    words = normalize(text).split()
    if words[:1] in (["to"], ["i"]):
        words = words[1:]
    if not words or not starts_with_verb(words):
        return " ".join(words)
    base = _base(words)
    return " ".join([third_person(base), *words[1:]] if base else words)


def as_asked(text: str, form: TextForm) -> str:
    """Return a text as a model asks for it: `as_narrated`, for one that has read raw texts with the wearer's mark.

    There "open the fridge" is "#C C opens the fridge"; a text with a mark of its own, "#O A opens it", stays.
    """
    narrated = as_narrated(text)
    if form == "normalized" or not narrated:
        return narrated
    return " ".join(text.split()) if text.lstrip().startswith("#") else ACTOR + narrated


def in_form(texts: Sequence[str], form: TextForm) -> list[str]:
    """Return narrations in the form of those that a model has learned from."""
    return list(texts) if form == "raw" else [normalize(text) for text in texts]


def _base(words: list[str]) -> str:
    """Return the base form of a first word that is an order or a gerund; "" for any other word."""
    first = words[0]
    if first.endswith("ing"):
        return next((base for base in verb_bases(first)[1:] if is_verb(base)), "")
    before_thing = len(words) > 1 and (words[1] in ARTICLES or rather_noun(words[1]))
    return first if is_verb(first) and (before_thing or not rather_noun(first)) else ""
