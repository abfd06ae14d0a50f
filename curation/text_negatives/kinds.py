"""Which words may not replace one another: synonyms, kinds of one thing, words that are true of nearly any action."""

from functools import lru_cache

from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB, Links, evidence, links, senses
from egocurate.curation.text.wordnet import is_verb

# Of somebody who cuts an onion it is true that they hold, touch and look at it.
# fmt: off
_TRUE_OF_MOST = frozenset({
    "adjust", "be", "check", "do", "examine", "feel", "get", "handle", "have", "hold", "inspect", "keep", "look",
    "make", "manipulate", "move", "observe", "see", "stare", "touch", "try", "use", "view", "watch", "work",
})
# "Uses the knife to cut" tells the action with its other verb.
_NO_ACTIONS = frozenset({"be", "do", "have", "let", "make", "try", "use"})
# What a thing may be called that has a name of its own.
_NO_NAMES = frozenset({
    "item", "kind", "lot", "object", "one", "other", "part", "piece", "set", "something", "side", "stuff", "thing",
    "top", "type",
})
# fmt: on
# WordNet's files of things that hands are laid on; a hand or a man in place of a cup reads wrong.
_THINGS = frozenset({"noun.animal", "noun.artifact", "noun.food", "noun.object", "noun.plant", "noun.substance"})
_NO_THINGS = frozenset({"noun.body", "noun.person"})
_FIRST_SENSES = 3
_RARE = 0.2  # of the most frequent sense of a word
_SAME = 0.15  # evidence of one meaning; dictionaries are built from pairs that reach 0.3 and more


def may_replace(lemma: str, part: str) -> bool:
    """Tell whether a word may stand in place of others: it says something that is not true anyway, of a thing."""
    if part == NOUN:
        return may_be_replaced(lemma, part)
    verb = lemma.partition(" ")[0]
    return is_verb(verb) and verb not in _TRUE_OF_MOST


@lru_cache(maxsize=1 << 16)
def may_be_replaced(lemma: str, part: str) -> bool:
    """Tell whether another word may stand in place of one: of a verb that acts, of what hands are laid on."""
    if part == VERB:
        return lemma.partition(" ")[0] not in _NO_ACTIONS
    files = _files(lemma)
    is_thing = bool(files) and files[0] not in _NO_THINGS and not _THINGS.isdisjoint(files)
    return is_thing and lemma.rpartition(" ")[2] not in _NO_NAMES


def one_sort(noun: str, other: str) -> bool:
    """Tell whether two nouns name things of one sort: food, plants, substances, animals, what is made."""
    return not _THINGS.intersection(_files(noun)).isdisjoint(_files(other))


@lru_cache(maxsize=1 << 16)
def _files(noun: str) -> tuple[str, ...]:
    return tuple(sense.lexname() for sense, _ in _senses(noun, NOUN)[:_FIRST_SENSES])


@lru_cache(maxsize=1 << 20)
def related(one: str, other: str, part: str) -> bool:
    """Tell whether two words may be said of one action or thing: synonyms, or one is a kind of what the other is."""
    if one > other:
        return related(other, one, part)
    heads = [_head(word, part) for word in (one, other)]
    if heads[0] == heads[1] and (part == NOUN or one in heads or other in heads):
        return True
    if _is_kind(one, other, part) or _is_kind(other, one, part):
        return True
    names = [_known(word, part) for word in (one, other)]
    mine, theirs = (_links(name, part) for name in names)
    return evidence(names[0], mine, names[1], theirs, part) >= _SAME


@lru_cache(maxsize=1 << 16)
def _links(name: str, part: str) -> Links:
    return links({name: 1}, part)


def _is_kind(lower: str, upper: str, part: str) -> bool:
    goal = {sense for sense, frequency in _senses(upper, part) if frequency >= _RARE}
    return not goal.isdisjoint(_kinds_above(lower, part))


@lru_cache(maxsize=1 << 16)
def _kinds_above(name: str, part: str) -> frozenset:
    """Return the frequent senses of a word and all that they are kinds of."""
    own = [sense for sense, frequency in _senses(name, part) if frequency >= _RARE]
    return frozenset(own).union(*(sense.closure(lambda one: one.hypernyms()) for sense in own))


def _senses(name: str, part: str) -> tuple:
    return senses(_known(name, part), part)


def _known(name: str, part: str) -> str:
    """Return a word as WordNet has it: without its particle, or its head alone, where it lists no more."""
    return name if senses(name, part) else _head(name, part)


def _head(name: str, part: str) -> str:
    return name.partition(" ")[0] if part == VERB else name.rpartition(" ")[2]
