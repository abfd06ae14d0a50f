"""What WordNet says of two words: shared senses, kinds of each other, and what their definitions begin with."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.wordnet import wordnet

if TYPE_CHECKING:
    from nltk.corpus.reader.wordnet import Synset

VERB, NOUN = "v", "n"
# How far a relation speaks for one meaning. A kind need not be a synonym ("put" is a kind of "move"), a definition may
# begin with a word of a wide meaning, a kind with the name of what it is a kind of ("saucepan", "olive oil") is safe.
_KIND, _DEFINED, _NAMED_KIND = 0.5, 0.7, 0.9
# A sense with this many kinds below it (three levels) says half of what a narrow one says: of verbs WordNet makes
# broad and flat trees ("put" has 194, "move" 714), of nouns narrow and deep ones ("pan" has 11, "container" 530).
_HALF_AT = {VERB: 200, NOUN: 20}
_LEVELS = 3
_MAIN = 0.5  # senses at least this frequent tell how wide the meaning of a word is
_SHORTEST_HEAD = 3  # letters: "pan" of "saucepan"
# "take in liquids" does not begin with "take".
_PARTICLES = frozenset({"away", "back", "down", "in", "off", "on", "out", "over", "up"})
_JOINS = frozenset({"and", "or", ","})
# "Turn on or around an axis" does not begin with "turn on".
_PREPOSITIONS = frozenset({"about", "against", "along", "around", "between", "into", "onto", "through", "under"})
# What follows tells the meaning, not these: "make dry", "cause to be rough", "come to the boiling point".
_LIGHT = frozenset(
    {
        "act",
        "be",
        "become",
        "bring",
        "cause",
        "come",
        "do",
        "get",
        "give",
        "go",
        "have",
        "let",
        "make",
        "perform",
        "provide",
        "undergo",
    }
)
# A noun's definition begins with its kind, and one of these words ends it: "a deep pan with a handle".
# fmt: off
_END_OF_KIND = frozenset({
    "as", "at", "by", "consisting", "containing", "designed", "for", "from", "having", "in", "into", "made", "of", "on",
    "resembling", "that", "to", "used", "where", "which", "whose", "with",
})
# fmt: on


@dataclass(frozen=True, slots=True)
class Links:
    """What a word may mean, with weights in 0..1: its senses, and what they are kinds of, defined by, opposed to."""

    senses: Mapping[str, float]
    kinds: Mapping[str, float]
    defined_by: Mapping[str, float]
    opposites: Mapping[str, float]


@lru_cache(maxsize=1 << 17)
def senses(name: str, part: str) -> tuple[tuple["Synset", float], ...]:
    """List the senses of a base form, with their frequency (count plus one) as a share of the most frequent one's."""
    lemma = name.replace(" ", "_")
    counted = [
        (sense, listed.count())
        for sense in wordnet().synsets(lemma, part)
        for listed in sense.lemmas()
        if listed.name().lower() == lemma
    ]
    most = max((count for _, count in counted), default=0)
    return tuple((sense, (count + 1) / (most + 1)) for sense, count in counted)


def links(usage: Mapping[str, int], part: str) -> Links:
    """Collect the links of a word from its `usage`: how often it stands alone and with each particle.

    "pick" is mostly "pick up", so the senses of "pick up" count most.
    """
    most = max(usage.values())
    weights: tuple[dict[str, float], ...] = ({}, {}, {}, {})
    for name, count in usage.items():
        for sense, frequency in senses(name, part):
            weight = frequency * count / most
            for store, keys in zip(weights, _linked(sense, part), strict=True):
                for key in keys:
                    store[key] = max(weight, store.get(key, 0.0))
    return Links(*weights)


@lru_cache(maxsize=1 << 17)
def _linked(sense: "Synset", part: str) -> tuple[Iterable[str], ...]:
    kinds = frozenset(kind.name() for kind in sense.hypernyms())
    opposites = frozenset(other.synset().name() for lemma in sense.lemmas() for other in lemma.antonyms())
    return (sense.name(),), kinds, defining_words(sense.definition(), part), opposites


def evidence(name: str, mine: Links, other: str, theirs: Links, part: str) -> float:
    """Weigh what speaks for one meaning of two words, 0..1: any of several signs, each with a strength of its own."""
    shared = _best(mine.senses, theirs.senses)
    kind = max(_kind(mine, theirs, part), _kind(theirs, mine, part))
    defined = max(
        mine.defined_by.get(other, 0.0) * _narrowness(other, part),
        theirs.defined_by.get(name, 0.0) * _narrowness(name, part),
    )
    named = part == NOUN and (_is_named_kind(name, other) or _is_named_kind(other, name))
    return 1 - (1 - shared) * (1 - _KIND * kind) * (1 - _DEFINED * defined) * (1 - _NAMED_KIND * named)


def opposed(mine: Links, theirs: Links) -> float:
    """Weigh how far two words are opposites, 0..1."""
    return max(_best(mine.opposites, theirs.senses), _best(theirs.opposites, mine.senses))


def is_kind(name: str, other: str, part: str) -> bool:
    """Tell whether the main senses of `name` are kinds of those of `other` and nothing that `other` itself means."""
    mine, theirs = links({name: 1}, part), links({other: 1}, part)
    return _best(mine.kinds, theirs.senses) >= _MAIN and not mine.senses.keys() & theirs.senses.keys()


def is_synonym(name: str, other: str, part: str) -> bool:
    """Tell whether two words have a main sense in common."""
    return _best(links({name: 1}, part).senses, links({other: 1}, part).senses) >= _MAIN


def defining_words(definition: str, part: str) -> frozenset[str]:
    """Return the base forms of the words a definition begins with: "take or grasp suddenly" -> take, grasp."""
    text = re.sub(r"\([^)]*\)", "", definition.lower())
    clauses = [re.findall(r"[a-z]+|,", clause) for clause in text.split(";")]
    if part == VERB:
        return frozenset(base for words in clauses for base in _first_verbs(words))
    return frozenset(_first_kinds(clauses[0]))


def _first_verbs(words: list[str]) -> set[str]:
    verbs: set[str] = set()
    for at, (word, following) in enumerate(pairwise([*words, ""])):
        if word in _JOINS:
            continue
        bases = verb_bases(word)
        joined, second = (*words[at + 2 : at + 4], "", "")[:2]
        place = joined in _JOINS and second in _PREPOSITIONS
        units = [f"{base} {following}" for base in bases] if following in _PARTICLES and not place else []
        verbs.update([unit for unit in units if senses(unit, VERB)] or bases)
        if following not in _JOINS:
            break
    return verbs - _LIGHT


def _first_kinds(words: list[str]) -> set[str]:
    kinds: set[str] = set()
    for word, following in pairwise([*words, "of"]):
        if word in _END_OF_KIND:
            break
        if word not in _JOINS and (following in _JOINS or following in _END_OF_KIND):
            kinds.update(noun_bases(word))
    return kinds


def _kind(lower: Links, upper: Links, part: str) -> float:
    common = lower.kinds.keys() & upper.senses.keys()
    return max((lower.kinds[key] * upper.senses[key] * _narrow(_kinds_below(key), part) for key in common), default=0.0)


def _narrowness(name: str, part: str) -> float:
    below = (_kinds_below(sense.name()) for sense, frequency in senses(name, part) if frequency >= _MAIN)
    return _narrow(max(below, default=0), part)


def _narrow(below: int, part: str) -> float:
    return _HALF_AT[part] / (_HALF_AT[part] + below)


@lru_cache(maxsize=1 << 16)
def _kinds_below(sense: str) -> int:
    return sum(1 for _ in wordnet().synset(sense).closure(lambda kind: kind.hyponyms(), depth=_LEVELS))


def _is_named_kind(longer: str, shorter: str) -> bool:
    """Tell whether a noun ends with another that it is a kind of: "teaspoon", "salad bowl"; a "dishwasher" is not."""
    if len(shorter) < _SHORTEST_HEAD or longer == shorter or not longer.endswith(shorter):
        return False
    goal = {sense.name() for sense, _ in senses(shorter, NOUN)}
    above = [sense for sense, _ in senses(longer, NOUN)]
    for _ in range(_LEVELS):
        above = [kind for sense in above for kind in sense.hypernyms()]
        if any(kind.name() in goal for kind in above):
            return True
    return False


def _best(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    return max((first[key] * second[key] for key in first.keys() & second.keys()), default=0.0)
