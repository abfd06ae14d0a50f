"""Swaps: a narration with one of its verbs, or one of its nouns, replaced. Pure functions of seed and clip.

EgoNCE++ (2405.17719) learns from them as negatives of a clip's text, and EgoHOIBench asks a model to tell the text from
them.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB
from egocurate.curation.text.inflection import article
from egocurate.curation.text_negatives.kinds import may_be_replaced
from egocurate.curation.text_negatives.spots import Spot
from egocurate.curation.text_negatives.usage import Candidates, Usage

VERB_SWAP, NOUN_SWAP = True, False


class Swap(NamedTuple):
    """A narration with another word, which word that is, and the class of the word that it replaces and its own."""

    text: str
    is_verb: bool
    was: int
    label: int


class Narration(NamedTuple):
    """A text, its spots, and the classes of verbs and of nouns that are said of the clip, in this text or in others."""

    text: str
    spots: Sequence[Spot]
    verbs: Sequence[int]
    nouns: Sequence[int]


class Drawing(NamedTuple):
    """Whose swaps are drawn: a seed, and the name of the clip."""

    seed: int
    key: str

    def generator(self, is_verb: bool, place: int) -> np.random.Generator:
        """Return the random numbers of a spot of the clip's text, of which only `random` is used."""
        name = f"{self.seed}/{self.key}/{int(is_verb)}/{place}".encode()
        words = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), np.uint64)
        return np.random.Generator(np.random.Philox(key=words))


def draw_swaps(said: Narration, count: int, usage: Usage, drawing: Drawing) -> list[Swap]:
    """Return up to `count` swaps of a narration, all different: verbs and nouns in turn, as long as there are both.

    With a higher count the first ones are the same.
    """
    drawn = {kind: draw_kind(said, kind, count, usage, drawing) for kind in (VERB_SWAP, NOUN_SWAP)}
    both = min(map(len, drawn.values()))
    in_turn = [swap for pair in zip(*drawn.values(), strict=False) for swap in pair]
    return (in_turn + drawn[VERB_SWAP][both:] + drawn[NOUN_SWAP][both:])[:count]


def draw_kind(said: Narration, is_verb: bool, count: int, usage: Usage, drawing: Drawing) -> list[Swap]:
    """Return up to `count` swaps of a narration's verbs, or of its nouns: of all of these in turn.

    The words of a spot come in a random order, likelier the more often they are seen: first those that are seen with
    the narration's other words (of verbs, its nouns), then those of the same sort. Each class gives one word before any
    gives a second.
    """
    own = [spot for spot in said.spots if spot.is_verb == is_verb]
    said_too, others = (said.verbs, said.nouns) if is_verb else (said.nouns, said.verbs)
    labels = [*said_too, *(spot.label for spot in own)]
    orders = []
    for place, spot in enumerate(own):
        if may_be_replaced(spot.lemma, VERB if is_verb else NOUN):
            found = usage.candidates(spot)
            order = _order(found, usage.seen_with(found, spot, others), labels, drawing.generator(is_verb, place))
            orders.append([(spot, found, int(at)) for at in order[:count]])
    if not orders:
        return []
    longest = max(map(len, orders))
    in_turn = [order[at] for at in range(longest) for order in orders if at < len(order)]
    swaps: dict[str, Swap] = {}
    for spot, found, at in in_turn:
        written = replaced(said.text, spot, found.written[at])
        swaps.setdefault(written, Swap(written, is_verb, spot.label, int(found.labels[at])))
    return list(swaps.values())[:count]


def replaced(text: str, spot: Spot, word: str) -> str:
    """Return a text with another word in a spot: a particle that stands apart goes, "a" and "an" agree with it."""
    before, old, after = text[: spot.start], text[spot.start : spot.end], text[spot.end :]
    if spot.apart >= 0:
        cut, end = spot.apart - spot.end, spot.apart_end - spot.end
        after = after[:cut].rstrip() + after[end:]
    if not spot.is_verb:
        head, space, last = before.rstrip().rpartition(" ")
        if last in ("a", "an", "A", "An"):
            agreeing = article(word)
            before = f"{head}{space}{agreeing.capitalize() if last[0] == 'A' else agreeing} "
    return before + (word[0].upper() + word[1:] if old[:1].isupper() and not old[1:2].isupper() else word) + after


def _order(found: Candidates, seen: np.ndarray, taken: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Return places of candidates, int64 [m], in the order in which they are taken.

    The word with the greatest log(u) / weight comes first, which draws without replacement by weight (Efraimidis and
    Spirakis, 2006).
    """
    keys = np.log(rng.random(len(found.rows))) / found.weights
    may = np.flatnonzero(~np.isin(found.labels, taken) & (seen | found.like))
    order = may[np.lexsort((-keys[may], ~seen[may]))]
    labels = found.labels[order]
    rounds = np.zeros(len(order), np.int64)
    by_label = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[by_label], prepend=-1))
    rounds[by_label] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return order[np.argsort(rounds, kind="stable")]
