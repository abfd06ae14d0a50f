"""The verbs and nouns that narrations use, by base form, and how often each verb stands with each noun."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB, is_kind, links, opposed, senses
from egocurate.curation.text.action_words import CARRIERS, action_positions
from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.pos_tags import Parsed

INTO = ("in", "into", "inside")  # one particle in three forms
_ON, _OFF = "on", "off"
# Particles that tell where an action goes ("picks up", "puts away"): what the verb means, they only make more precise.
_PLACES = frozenset({"away", "back", "down", "off", "on", "onto", "out", "over", "up", *INTO})
_NO_ACTIONS = CARRIERS | {"be", "have", "do"}
_INFLECTED = ("NNS", "NNPS", "VBZ", "VBD", "VBG", "VBN")
_OPPOSITE = 0.3
# Texts that name a word as a thing, for one that reads it as an action, from which the reading is a mistake: "add oil,
# pan and lid". Real verbs with a name of a thing, as "slice" and "spoon", stay well below; 3 to 20 do as well.
_THING = 8


@dataclass
class Vocabulary:
    """Number of texts with each verb, noun and pair of both; `usage[verb]` counts it alone and with its particles."""

    verbs: Counter[str] = field(default_factory=Counter)
    nouns: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    usage: Mapping[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def count_words(narrations: Iterable[Parsed]) -> Vocabulary:
    """Count the verbs and nouns of narrations."""
    vocabulary = Vocabulary()
    for parsed in narrations:
        actions = action_positions(parsed)
        verbs = [(at, verb) for at in actions if (verb := _verb(parsed, at, actions))]
        named = [verb for _, verb in verbs]
        nouns = _nouns(parsed, set(actions))
        vocabulary.verbs.update({name for name, _ in named})
        vocabulary.nouns.update({noun for _, noun in nouns})
        vocabulary.pairs.update({(name, noun) for at, (name, _) in verbs for noun in _objects(at, actions, nouns)})
        for name, used in named:
            vocabulary.usage[name][used] += 1
    return vocabulary


def without_misread_verbs(vocabulary: Vocabulary) -> Vocabulary:
    """Return a vocabulary without the verbs that nearly all of its texts name as things."""
    counts, nouns = vocabulary.verbs, vocabulary.nouns
    verbs = Counter({verb: count for verb, count in counts.items() if nouns[verb] < _THING * count})
    pairs = Counter({pair: count for pair, count in vocabulary.pairs.items() if pair[0] in verbs})
    return Vocabulary(verbs, nouns, pairs, vocabulary.usage)


def _verb(parsed: Parsed, position: int, actions: Iterable[int]) -> tuple[str, str] | None:
    """Name an action by its base form, and by the form it is used in: "picks up the cup" -> ("pick", "pick up").

    A particle that changes what is done makes a verb of its own: "turn on", "put in".
    """
    base = _base(parsed, position, VERB)
    if base is None or base in _NO_ACTIONS:
        return None
    end = min((other for other in actions if other > position), default=len(parsed.words))
    after = parsed.words[position + 1 : end]
    beside = after[0] if after and after[0] in _PLACES else None
    particle = beside or _standing_apart(after)
    if particle in (_ON, _OFF) and is_switched(base):
        return f"{base} {particle}", f"{base} {particle}"
    if particle in INTO and is_put_in(base):
        return f"{base} {INTO[0]}", f"{base} {INTO[0]}"
    used = f"{base} {beside}"
    return base, used if beside and senses(used, VERB) else base


def _standing_apart(words: list[str]) -> str | None:
    """Find "into" after its object, or "on" and "off" at the end: an "on" before a noun tells a place."""
    return next((word for word in words if word in INTO), words[-1] if words and words[-1] in (_ON, _OFF) else None)


@lru_cache(maxsize=1 << 14)
def is_switched(base: str) -> bool:
    """Tell whether "on" and "off" turn a verb round: WordNet knows both as verbs, and as opposites."""
    on, off = f"{base} {_ON}", f"{base} {_OFF}"
    if not senses(on, VERB) or not senses(off, VERB):
        return False
    return opposed(links({on: 1}, VERB), links({off: 1}, VERB)) >= _OPPOSITE


@lru_cache(maxsize=1 << 14)
def is_put_in(base: str) -> bool:
    """Tell whether "in" makes another verb of it: WordNet has "put in" (insert) as a kind of "put"."""
    within = f"{base} {INTO[0]}"
    return bool(senses(base, VERB) and senses(within, VERB)) and is_kind(within, base, VERB)


def _objects(at: int, actions: Iterable[int], nouns: list[tuple[int, str]]) -> set[str]:
    """Return the nouns between the verb at `at` and the next verb that has nouns of its own, else all of the text.

    Of "hold the bowl and stir the soup", the soup is not held; of "open and close the tap", it is opened too.
    """
    for end in (*(other for other in actions if other > at), None):
        own = {noun for place, noun in nouns if place > at and (end is None or place < end)}
        if own:
            return own
    return {noun for _, noun in nouns}


def _nouns(parsed: Parsed, actions: set[int]) -> list[tuple[int, str]]:
    """Name the things by position and base form; two nouns in a row are one if WordNet knows them as such."""
    nouns, at = [], 0
    while at < len(parsed.words):
        name, at = _base(parsed, at, NOUN) if _is_noun(parsed, at, actions) else None, at + 1
        if name and at < len(parsed.words) and _is_noun(parsed, at, actions):
            both = f"{parsed.words[at - 1]} {_base(parsed, at, NOUN)}"
            if senses(both, NOUN):
                name, at = both, at + 1
        if name:
            nouns.append((at, name))
    return nouns


def _is_noun(parsed: Parsed, at: int, actions: set[int]) -> bool:
    return parsed.tags[at].startswith("NN") and at not in actions


def _base(parsed: Parsed, at: int, part: str) -> str | None:
    """Return the base form of a word as WordNet lists it, a guess if it lists none, or None for a letter."""
    word = parsed.words[at]
    if len(word) < 2 or not word[0].isalpha() or word == "unsure":
        return None
    bases = verb_bases(word) if part == VERB else noun_bases(word)
    if parsed.tags[at] in _INFLECTED:  # "knives" may be listed itself, "gas" must not become "ga"
        bases = (*bases[1:], word)
    unlisted = bases[0] if parsed.tags[at] in ("NNS", "VBZ") else word
    return next((base for base in bases if senses(base, part)), unlisted)
