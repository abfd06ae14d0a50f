"""Verb and noun classes of narrations: the words that tell an action or a thing, looked up in a lexicon."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations, zip_longest

from egocurate.curation.text.action_words import (
    CARRIERS,
    action_positions,
    carried_by_predicate,
    carries,
    coordinated,
    is_base,
    switched,
)
from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.pos_tags import Parsed, parse
from egocurate.curation.text.spelling import meant
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, general_words
from egocurate.curation.text.thing_words import may_be_one_word, names_thing

Bases = Callable[[str], tuple[str, ...]]
Words = tuple[str, ...]
Tags = tuple[tuple[int, ...], tuple[int, ...]]

# Prepositions that are hardly a particle: they may stand apart from the verb with an object ("puts cup into cupboard").
# fmt: off
_PREPOSITIONS = frozenset({
    "about", "across", "against", "along", "among", "around", "at", "behind", "beside", "between", "by", "for", "from",
    "in", "inside", "into", "of", "off", "onto", "out", "over", "through", "to", "toward", "towards", "under", "upon",
    "with", "within",
})
# fmt: on
# A compound of such words is a phrase ("bag of manure"), whose order is its meaning; five words have 24 orders.
_JOINTS = frozenset({"of", "and", "with", "for", "in", "on", "to", "from"})
_MOST_ORDERED = 5
_OBJECT_START = ("NN", "DT", "PRP", "JJ", "CD", "VBG", "VBN")


@dataclass(frozen=True, slots=True)
class Match:
    """A form found in a narration: its class and the positions of its words."""

    label: int
    positions: tuple[int, ...]


class Forms:
    """Forms (their words -> class) by their first word, longest first."""

    def __init__(self, forms: dict[Words, int], bases: Bases, further: Bases = lambda word: ()) -> None:
        self._bases, self._further = bases, further  # of the first word and of the words after it
        self._by_first: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for (first, *rest), label in forms.items():
            self._by_first.setdefault(first, []).append((tuple(rest), label))
        for entries in self._by_first.values():
            entries.sort(key=lambda entry: -len(entry[0]))

        self.starting_with = lru_cache(maxsize=1 << 16)(self._starting_with)
        self.mended = lru_cache(maxsize=1 << 16)(self._mended)

    def _starting_with(self, word: str) -> list[tuple[tuple[str, ...], int]]:
        """List (further words, class) of the forms that begin with `word` or a base of it, longest first."""
        entries = [entry for base in self._bases(word) for entry in self._by_first.get(base, ())]
        return sorted(entries, key=lambda entry: -len(entry[0]))

    def _mended(self, word: str) -> str:
        """Return the word that `word` is a slip of if all that it may be are of one class, else `word`."""
        near = [] if self.starting_with(word) else meant(word, self._by_first)
        labels = {label for other in near for rest, label in self._by_first[other] if not rest}
        return near[0] if len(labels) == 1 else word

    def agrees(self, rest: tuple[str, ...], words: Sequence[str], start: int) -> bool:
        """Tell whether `words[start:]` begins with `rest`, nouns in the singular or the plural."""
        if start + len(rest) > len(words):
            return False
        return all(form == word or form in self._further(word) for form, word in zip(rest, words[start:], strict=False))

    def longest(self, words: Sequence[str], start: int) -> Match | None:
        """Find the longest form that stands at `start`."""
        for rest, label in self.starting_with(words[start]):
            if self.agrees(rest, words, start + 1):
                return Match(label, tuple(range(start, start + 1 + len(rest))))
        return None


def verb_forms(part: Taxonomy) -> dict[Words, int]:
    """List the words of each form with the class preferred for it, or for its base if they have a class in common.

    Ego4D has "carries" under move, and "carry" under carry and move.
    """
    forms = {}
    for form, classes in part.forms.items():
        bases = (part.forms.get(base, ()) for base in verb_bases(form)[1:])
        alike = next((of_base for of_base in bases if set(classes).intersection(of_base)), classes)
        forms[tuple(form.split())] = alike[0]
    return forms


def noun_forms(part: Taxonomy) -> dict[Words, int]:
    """List the words of each form with its class; compounds also with what stands before their head in another order.

    "olive oil bottle" and "oil olive bottle" are one thing, and parsers leave such forms in any order in taxonomies. A
    general word has no class of its own: see `taxonomy.general_words`.
    """
    general = general_words(part)
    forms = {tuple(form.split()): classes[0] for form, classes in part.forms.items() if form not in general}
    for words, label in list(forms.items()):
        if 2 < len(words) <= _MOST_ORDERED and not _JOINTS.intersection(words):
            for order in permutations(words[:-1]):
                forms.setdefault((*order, words[-1]), label)
    return forms


def tag_texts(texts: Sequence[str], lexicon: Lexicon) -> list[Tags]:
    """Return (verb classes, noun classes) of each narration, ascending ids; raises InputError without an English model.

    Longest form first, by surface or base form. A form of several groups counts for one: see `lexicon.Taxonomy`.
    """
    verbs, nouns = lexicon_forms(lexicon)
    return [_labels(*find_words(parsed, verbs, nouns)) for parsed in parse(texts)]


def lexicon_forms(lexicon: Lexicon) -> tuple[Forms, Forms]:
    """Return the verb and the noun forms of a lexicon."""
    return Forms(verb_forms(lexicon.verbs), verb_bases), Forms(noun_forms(lexicon.nouns), noun_bases, noun_bases)


def find_words(parsed: Parsed, verbs: Forms, nouns: Forms) -> tuple[list[Match], list[Match]]:
    """Find the verbs and the nouns of a narration from left to right: the words that its tags are of."""
    parsed = _without_slips(parsed, verbs, nouns)
    spans = _noun_spans(parsed, nouns)
    inside = {position for span in spans if len(span.positions) > 1 for position in span.positions}
    sure = (parsed.predicate, carried_by_predicate(parsed))
    things = {span.positions[0] for span in spans}
    actions = [
        position
        for position in action_positions(parsed)
        if position in sure or (position not in inside and not (position in things and _object_place(parsed, position)))
    ]
    actions += _hidden_actions(parsed, verbs, spans, actions)
    matches = [match for position in sorted(actions) if (match := _verb_at(parsed, position, verbs, actions))]
    matches = _without_carriers(parsed, matches)
    verb_words = {match.positions[0] for match in matches}
    # What belongs to the verb is no thing, unless it is one: "makes a hole".
    verb_words.update(at for match in matches for at in match.positions if not parsed.tags[at].startswith("NN"))
    # Also a verb that the lexicon lacks names no thing: "heads the ball".
    verb_words.update(at for at in actions if at == parsed.predicate or parsed.tags[at - 1 : at] in (["CC"], ["RB"]))
    if any(not verb_words.isdisjoint(span.positions) for span in spans):
        spans = _noun_spans(parsed, nouns, verb_words)
    return matches, spans


def _labels(verbs: list[Match], nouns: list[Match]) -> Tags:
    return _ascending(match.label for match in verbs), _ascending(span.label for span in nouns)


def _without_slips(parsed: Parsed, verbs: Forms, nouns: Forms) -> Parsed:
    pairs = zip(parsed.words, parsed.tags, strict=True)
    words = [nouns.mended(word) if tag.startswith(("NN", "FW")) else word for word, tag in pairs]
    if (at := parsed.predicate) >= 0:
        words[at] = verbs.mended(parsed.words[at])
    return Parsed(words, parsed.tags, at)


def _hidden_actions(parsed: Parsed, verbs: Forms, spans: list[Match], actions: list[int]) -> list[int]:
    """Find second verbs that were read as things: "picks the pan and stirs", "cuts the tape and tapes the box"."""
    nouns = {position for span in spans for position in span.positions}
    return [
        index
        for index in range(1, len(parsed.words))
        if parsed.tags[index - 1] in ("CC", "RB")
        and index not in actions
        and (coordinated(parsed, index) or (parsed.tags[index] in ("NNS", "VB", "VBP") and index not in nouns))
        and verbs.longest(parsed.words, index)
    ]


def _object_place(parsed: Parsed, at: int) -> bool:
    """Tell whether a verb form stands where a thing is expected: "throws peeling", "takes plates and cups"."""
    words, tags = parsed.words, parsed.tags
    if tags[at] == "VBZ":
        ends = not tags[at + 1 : at + 2] or not tags[at + 1].startswith(_OBJECT_START)
        return ends and tags[at - 1] == "CC" and tags[at - 2 : at - 1] == ["NNS"]
    if tags[at] not in ("VBG", "VBN", "VBD"):
        return False
    verb = at - 2 if tags[at - 1] == "RP" else at - 1
    return verb >= 0 and (verb == parsed.predicate or tags[verb].startswith("VB")) and not carries(words[verb])


def _verb_at(parsed: Parsed, position: int, verbs: Forms, actions: Iterable[int]) -> Match | None:
    """Find the form of the verb at `position`: with the words next to it, else with a particle that stands apart."""
    words = parsed.words
    particle = switched(parsed, position)
    if particle and (match := verbs.longest(("turn", particle), 0)) and len(match.positions) == 2:
        return Match(match.label, (position,))
    entries = verbs.starting_with(words[position])
    end = min((other for other in actions if other > position), default=len(words))
    for rest, label in entries:
        if rest and verbs.agrees(rest, words, position + 1):
            return Match(label, tuple(range(position, position + 1 + len(rest))))
    for at in range(position + 2, end):
        for rest, label in entries:
            if rest and verbs.agrees(rest, words, at) and _belongs_to_verb(parsed, at, len(rest)):
                return Match(label, (position, *range(at, at + len(rest))))
    return next((Match(label, (position,)) for rest, label in entries if not rest), None)


def _belongs_to_verb(parsed: Parsed, at: int, length: int) -> bool:
    """Tell whether the word at `at` goes with the verb before: "turns the tap on", not "puts the cup on the table"."""
    if parsed.tags[at] not in ("RP", "IN", "RB", "TO", "JJ"):
        return False
    following = parsed.tags[at + length : at + length + 1]
    return parsed.words[at] in _PREPOSITIONS or not following or not following[0].startswith(_OBJECT_START)


def _without_carriers(parsed: Parsed, matches: list[Match]) -> list[Match]:
    """Drop the verbs that carry the next one."""
    actions = []
    for match, following in zip_longest(matches, matches[1:]):
        first, last = match.positions[0], match.positions[-1]
        if following and is_base(parsed.words[first], CARRIERS):
            between = parsed.tags[last + 1 : following.positions[0]]
            if all(tag in ("RB", "TO", "IN", "RP") for tag in between):
                continue
        actions.append(match)
    return actions


def _noun_spans(parsed: Parsed, nouns: Forms, taken: Iterable[int] = ()) -> list[Match]:
    """Find the noun forms of a narration from left to right, the longest at each word, without the words in `taken`."""
    taken, spans, at = set(taken), [], 0
    while at < len(parsed.words):
        match = None if at in taken else _noun_at(parsed, at, nouns)
        if match and not taken.intersection(match.positions):
            spans.append(match)
            at = match.positions[-1] + 1
        else:
            at += 1
    return spans


def _noun_at(parsed: Parsed, at: int, nouns: Forms) -> Match | None:
    """Find the noun form at a word: a compound, a word that is spelled as two ("counter top"), or the word itself."""
    match = nouns.longest(parsed.words, at)
    if match and len(match.positions) > 1:
        return match
    if may_be_one_word(parsed, at) and (joined := nouns.longest(["".join(parsed.words[at : at + 2])], 0)):
        return Match(joined.label, (at, at + 1))
    return match if match and names_thing(parsed, at) else None


def _ascending(labels: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(set(labels)))
