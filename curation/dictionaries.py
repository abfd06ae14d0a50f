"""Dictionaries without a taxonomy: the verbs and nouns of the narrations themselves, grouped by WordNet."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from curation.actions import CARRIERS, action_positions
from curation.inflection import noun_bases, verb_bases
from curation.lexicon import Lexicon, Taxonomy, taxonomy
from curation.parse import Parsed, parse
from curation.wordnet import wordnet
from shards.errors import InputError

MIN_COUNT = 2  # in texts: a word that occurs once is mostly a spelling mistake
_SMALL = 1000  # texts: below this every word counts
_NO_ACTIONS = CARRIERS | {"be", "have", "do"}
_INFLECTED = ("NNS", "NNPS", "VBZ", "VBD", "VBG", "VBN")
_VERB, _NOUN = "v", "n"


def build_lexicon(texts: Sequence[str]) -> Lexicon:
    """Build a verb and a noun taxonomy from narrations; raises InputError if they hold no verb or no noun.

    Words are grouped if WordNet gives them the same most frequent sense (the first of its order). The group is labelled
    by its most frequent word; labels are sorted, so a class is a row of the csv that `write_lexicon` makes of it.
    """
    verbs: Counter[str] = Counter()
    nouns: Counter[str] = Counter()
    for parsed in parse(texts):
        actions = action_positions(parsed)
        verbs.update(_verbs(parsed, actions))
        nouns.update(_nouns(parsed, set(actions)))
    least = MIN_COUNT if len(texts) >= _SMALL else 1
    found = Lexicon(verbs=_grouped(verbs, _VERB, least), nouns=_grouped(nouns, _NOUN, least))
    for name, part in (("verb", found.verbs), ("noun", found.nouns)):
        if not len(part):
            raise InputError(f"no {name} found in {len(texts)} narrations; give a taxonomy with --lexicon DIR")
    return found


def _verbs(parsed: Parsed, actions: Iterable[int]) -> set[str]:
    """Name the actions by their base form, with "on" or "off" next to them if WordNet knows both as one verb.

    Those two particles turn an action round; the others say where it goes ("puts down", "picks up").
    """
    found = set()
    for position in actions:
        base = _base(parsed, position, _VERB)
        if base is None or base in _NO_ACTIONS:
            continue
        particle = parsed.words[position + 1 : position + 2]
        if particle and particle[0] in ("on", "off") and first_sense(f"{base} {particle[0]}", _VERB):
            base = f"{base} {particle[0]}"
        found.add(base)
    return found


def _nouns(parsed: Parsed, actions: set[int]) -> set[str]:
    """Name the things by their base form; two nouns in a row are one thing if WordNet knows them as such."""
    found, at = set(), 0
    while at < len(parsed.words):
        name, at = _base(parsed, at, _NOUN) if _is_noun(parsed, at, actions) else None, at + 1
        if name and at < len(parsed.words) and _is_noun(parsed, at, actions):
            both = f"{parsed.words[at - 1]} {_base(parsed, at, _NOUN)}"
            if first_sense(both, _NOUN):
                name, at = both, at + 1
        if name:
            found.add(name)
    return found


def _is_noun(parsed: Parsed, at: int, actions: set[int]) -> bool:
    return parsed.tags[at].startswith("NN") and at not in actions


def _base(parsed: Parsed, at: int, part: str) -> str | None:
    """Return the base form of a word as WordNet lists it, a guess if it lists none, or None for a letter."""
    word = parsed.words[at]
    if len(word) < 2 or not word[0].isalpha() or word == "unsure":
        return None
    bases = verb_bases(word) if part == _VERB else noun_bases(word)
    if parsed.tags[at] in _INFLECTED:  # "knives" may be listed itself, "gas" must not become "ga"
        bases = (*bases[1:], word)
    unlisted = bases[0] if parsed.tags[at] in ("NNS", "VBZ") else word
    return next((base for base in bases if first_sense(base, part)), unlisted)


@lru_cache(maxsize=1 << 16)
def first_sense(name: str, part: str) -> str | None:
    """Return WordNet's name of the first sense of a base form ("v" verb, "n" noun), or None if it is not listed."""
    lemma = name.replace(" ", "_")
    for sense in wordnet().synsets(lemma, part)[:1]:
        if lemma in (listed.lower() for listed in sense.lemma_names()):
            return sense.name()
    return None


def _grouped(counts: Counter[str], part: str, least: int) -> Taxonomy:
    groups: dict[str, list[str]] = {}
    for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count >= least:
            groups.setdefault(first_sense(word, part) or f"={word}", []).append(word)
    labelled = sorted((words[0].replace(" ", "_"), sorted(words)) for words in groups.values())
    return taxonomy([label for label, _ in labelled], [words for _, words in labelled])
