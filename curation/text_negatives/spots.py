"""Where a narration may have another verb or noun: the place, the word, its grammatical form, what is beside it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from egocurate.curation.text.inflection import gerund, noun_bases, past, plural, third_person, verb_bases
from egocurate.curation.text.pos_tags import Parsed, parse
from egocurate.curation.text.tagger import Match, Words, find_words, lexicon_forms, noun_forms, verb_forms
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.curation.text.wordnet import is_noun, is_verb

OBJECT, NOTHING = "object", "nothing"
"""What follows a verb: a thing, no more words of its clause; else the word itself ("looks at")."""

ONE, THE, BARE, SOME = "a", "the", "", "some"
"""The article of a noun: of one thing, of a known thing, none, a number."""

_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_IN_OBJECT = ("NN", "DT", "PRP", "JJ", "CD")
_OBJECT_TAGS = (*_IN_OBJECT, "VBG", "VBN", "FW")
_PREPOSITION_TAGS = ("IN", "TO", "RP")
_CLAUSE_END = ("CC",)
_ONE = frozenset({"a", "an", "another", "each", "every", "one"})
_SOME = frozenset({"some", "few", "several", "many", "two", "both", "all", "any", "more"})


class Form(IntEnum):
    """The grammatical form of a word: a verb's base, third person, -ing and past; a noun as it is, or its plural."""

    BASE = 0
    THIRD_PERSON = 1
    GERUND = 2
    PAST = 3
    AS_IS = 4
    PLURAL = 5


class Spot(NamedTuple):
    """A verb or a noun of a narration that another may replace.

    label: its class. lemma: its base form, with its particle ("put down"). frame: a verb's next word, a noun's article.
    preposition: what a verb's object goes on with ("puts the cup on"), what a noun is after ("on the table"), "" for
    none. It stands at text[start:end]; a particle apart from it ("turns the tap on") at text[apart:apart_end], else -1.
    """

    is_verb: bool
    label: int
    lemma: str
    form: Form
    frame: str
    preposition: str
    start: int = 0
    end: int = 0
    apart: int = -1
    apart_end: int = -1


def inflect(lemma: str, form: Form) -> str | None:
    """Return a lemma in a grammatical form ("put down" -> "puts down"), None where that is not one word."""
    if form is Form.AS_IS:
        return lemma
    if form is Form.PLURAL:
        before, _, head = lemma.rpartition(" ")
        return f"{before} {plural(head)}".strip()
    verb, _, particle = lemma.partition(" ")
    inflected = _VERB_FORMS[form](verb)
    return f"{inflected} {particle}".strip() if inflected else None


_VERB_FORMS = {Form.BASE: str, Form.THIRD_PERSON: third_person, Form.GERUND: gerund, Form.PAST: past}


class SpotFinder:
    """Finds the spots of narrations by the forms of a lexicon."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Take the classes that words are looked up in."""
        self._verbs, self._nouns = lexicon_forms(lexicon)
        self._verb_labels, self._noun_labels = verb_forms(lexicon.verbs), noun_forms(lexicon.nouns)

    def find(self, texts: Sequence[str]) -> Iterator[list[Spot]]:
        """Yield the spots of each narration, its verbs first; raises InputError without an English model."""
        for text, parsed in zip(texts, parse(texts), strict=True):
            yield self._spots(text, parsed)

    def _spots(self, text: str, parsed: Parsed) -> list[Spot]:
        found_verbs, found_nouns = find_words(parsed, self._verbs, self._nouns)
        heads = {match.positions[0] for match in found_verbs}
        positions = [_with_particle(parsed, match, heads) for match in found_verbs]
        things = {match.positions[0] for match in found_nouns}
        read = _Read(text, parsed, {at for of_verb in positions for at in of_verb}, things)
        verbs = zip(found_verbs, positions, strict=True)
        spots = [self._verb_spot(read, match, of_verb) for match, of_verb in verbs]
        spots += [self._noun_spot(read, match) for match in found_nouns]
        return [spot for spot in spots if spot]

    def _verb_spot(self, read: "_Read", match: Match, positions: list[int]) -> Spot | None:
        words, tags, first = read.words, read.tags, match.positions[0]
        is_past = tags[first] in ("VBD", "VBN")
        found = _verb_lemma([words[at] for at in match.positions], match.label, self._verb_labels, is_past)
        # "puts down cleaning product": a verb inside the name of a thing.
        if found is None or (first - 1 in read.verb_words and found[1] in (Form.GERUND, Form.PAST)):
            return None
        lemma = " ".join([found[0], *(words[at] for at in positions[len(match.positions) :])])
        beside = next((n for n, at in enumerate(positions) if at != first + n), len(positions))
        following = first + beside
        frame = NOTHING
        if following < len(words) and not tags[following].startswith(_CLAUSE_END):
            is_object = following in read.things or tags[following].startswith(_OBJECT_TAGS)
            frame = OBJECT if is_object else words[following]
        preposition = _after_object(read, following, positions) if frame == OBJECT else ""
        spot = Spot(True, match.label, lemma, found[1], frame, preposition)
        return read.placed(spot, positions[:beside], positions[beside:])

    def _noun_spot(self, read: "_Read", match: Match) -> Spot | None:
        words, positions = read.words, match.positions
        after = positions[-1] + 1
        found = _noun_lemma([words[at] for at in positions], match.label, self._noun_labels)
        if found is None or (after < len(words) and (words[after] == "of" or read.tags[after].startswith("NN"))):
            return None
        before = _before(read, positions[0])
        return before and read.placed(Spot(False, match.label, *found, *before), positions)


class _Read:
    """A narration as it was parsed: where its words stand, which belong to its verbs, where its things begin."""

    def __init__(self, text: str, parsed: Parsed, verb_words: set[int], things: set[int]) -> None:
        self.words, self.tags, self.verb_words, self.things = parsed.words, parsed.tags, verb_words, things
        self._spans = _character_spans(text, parsed.words)

    def placed(self, spot: Spot, together: Sequence[int], apart: Sequence[int] = ()) -> Spot | None:
        """Return a spot with its places in the text, None where one of its words is not found there as it was read."""
        spans = [self._spans[at] for at in (*together, *apart)]
        if None in spans:
            return None
        spot = spot._replace(start=spans[0][0], end=spans[len(together) - 1][1])
        return spot._replace(apart=spans[-len(apart)][0], apart_end=spans[-1][1]) if apart else spot


def _verb_lemma(
    words: Sequence[str], label: int, labels: Mapping[Words, int], is_past: bool
) -> tuple[str, Form] | None:
    """Return the base form of a verb with its particles, and the form it stands in; None for one that is irregular.

    is_past: what the tagger takes it for, which tells "put" and "put" apart.
    """
    first, rest = words[0], tuple(words[1:])
    for form in (Form.THIRD_PERSON, Form.GERUND, Form.PAST, Form.BASE):
        for base in verb_bases(first):
            agrees = base != first or (form is Form.PAST) == is_past
            if agrees and is_verb(base) and inflect(base, form) == first and labels.get((base, *rest)) == label:
                return " ".join((base, *rest)), form
    return None


def _noun_lemma(words: Sequence[str], label: int, labels: Mapping[Words, int]) -> tuple[str, Form] | None:
    before, last = tuple(words[:-1]), words[-1]
    for base in noun_bases(last)[1:]:
        if is_noun(base) and plural(base) == last and labels.get((*before, base)) == label:
            return " ".join((*before, base)), Form.PLURAL
    return (" ".join(words), Form.AS_IS) if labels.get((*before, last)) == label else None


def _with_particle(parsed: Parsed, match: Match, heads: set[int]) -> list[int]:
    """Return the words of a verb, with a particle that the lexicon leaves out: "picks up the bag", "puts it down"."""
    positions = list(match.positions)
    if len(positions) > 1:
        return positions
    for at in range(positions[0] + 1, len(parsed.words)):
        if at in heads or not parsed.tags[at].startswith((*_IN_OBJECT, "RP")):
            return positions
        if parsed.tags[at] == "RP":
            return [*positions, at]
    return positions


def _after_object(read: _Read, start: int, own: Sequence[int]) -> str:
    """Return the preposition after the object that begins at a word, "" for none before the next verb."""
    for at in range(start, len(read.words)):
        if at in own:
            continue
        if at in read.verb_words or read.tags[at].startswith(_CLAUSE_END):
            return ""
        if read.tags[at] in _PREPOSITION_TAGS and read.words[at] != "of":
            return read.words[at]
    return ""


def _before(read: _Read, first: int) -> tuple[str, str] | None:
    """Return the article of a noun, adjectives aside, and its preposition; None where another noun is before it."""
    words, tags, at = read.words, read.tags, first - 1
    while at >= 0 and tags[at].startswith("JJ") and words[at] not in _SOME | _ONE:
        at -= 1
    article = BARE
    if at >= 0 and (words[at] in _ONE | _SOME or tags[at] in ("DT", "PRP$", "PDT", "CD")):
        is_number = words[at] in _SOME or (tags[at] == "CD" and words[at] not in _ONE)
        article = ONE if words[at] in _ONE else SOME if is_number else THE
        at -= 1
    if at < 0 or at in read.verb_words:
        return article, ""
    # "measuring jug", "washing up bowl", "the tomato sauce": a name of which the lexicon has a part alone.
    if tags[at].startswith(("NN", "VB", "RP", "JJ")):
        return None
    return article, words[at] if tags[at] in _PREPOSITION_TAGS else ""


def _character_spans(text: str, words: Sequence[str]) -> list[tuple[int, int] | None]:
    """Return where in a text each of its words stands, in their order, None for one that is spelled otherwise there."""
    tokens = [(match.group().lower(), match.span()) for match in _TOKEN.finditer(text)]
    spans: list[tuple[int, int] | None] = []
    at = 0
    for word in words:
        found = next((place for place in range(at, len(tokens)) if tokens[place][0] == word), None)
        spans.append(None if found is None else tokens[found][1])
        at = at if found is None else found + 1
    return spans
