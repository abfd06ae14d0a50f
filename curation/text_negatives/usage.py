"""How narrations use the words of a lexicon: which stand in which form and beside what, and which verb with which noun.

What replaces a word has been seen in its place: "looks" is followed by "at", so it replaces no "picks"; "water" follows
no "a"; a tap is not sliced in any narration.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from egocurate.curation.lexicon.wordnet_relations import NOUN, VERB
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, label_words
from egocurate.curation.text_negatives.kinds import may_replace, one_sort, related
from egocurate.curation.text_negatives.spots import THE, Form, Spot, inflect

_LEAST_SHARE = 0.1  # of a verb's uses: what is seen more rarely is a slip of the tagger, or of the annotator
_SMALL = 1000  # narrations: below this every use counts
_LEAST = 2  # uses from there on
_ENOUGH = 10  # words seen with a preposition; where they are fewer, the preposition may be any
_MOST_WORDS = 1000  # of each part of speech that replace others: rare ones read odd, and each is compared with all


@dataclass(frozen=True)
class Candidates:
    """Words that may stand in a spot, n of them: their rows among all words, their classes, how often each is seen."""

    rows: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    written: tuple[str, ...]
    """in the form that the spot has"""
    like: np.ndarray
    """bool [n]: whether a word names the same sort of thing as the one in the spot; True for every verb"""


@dataclass
class _Part:
    """The words of one part of speech, in the order of the alphabet, and where each is seen."""

    name: str
    taxonomy: Taxonomy
    seen: dict[tuple[int, str], Counter[tuple[Form, str]]] = field(default_factory=lambda: defaultdict(Counter))
    """(class, lemma) -> how often it is seen in each form and frame"""
    prepositions: dict[tuple[int, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    cache: dict[tuple[int, str, Form, str, str], Candidates] = field(default_factory=dict)
    words: list[tuple[int, str]] = field(default_factory=list)
    """the most frequent ones, in the order of the alphabet"""

    def count(self, spot: Spot, clips: int) -> None:
        self.seen[spot.label, spot.lemma][spot.form, spot.frame] += clips
        self.prepositions[spot.label, spot.lemma][spot.preposition] += clips

    def choose_words(self) -> None:
        by_count = sorted(self.seen, key=lambda word: (-self.seen[word].total(), word))
        self.words = sorted([word for word in by_count if may_replace(word[1], self.name)][:_MOST_WORDS])


class Usage:
    """What has been seen of the words of a lexicon in the narrations of a data set."""

    def __init__(self, lexicon: Lexicon, narrations: Iterable[tuple[Sequence[Spot], int]]) -> None:
        """Count the spots of narrations, each with the number of clips that it is said of."""
        self._verbs, self._nouns = _Part(VERB, lexicon.verbs), _Part(NOUN, lexicon.nouns)
        self._together = np.zeros((len(lexicon.verbs), len(lexicon.nouns)), bool)
        read = 0
        for spots, count in narrations:
            read += 1
            verbs = [spot.label for spot in spots if spot.is_verb]
            nouns = [spot.label for spot in spots if not spot.is_verb]
            for spot in spots:
                part = self._verbs if spot.is_verb else self._nouns
                part.count(spot, count)
            if verbs and nouns:
                self._together[np.ix_(verbs, nouns)] = True
        self._least = _LEAST if read >= _SMALL else 1
        for part in (self._verbs, self._nouns):
            part.choose_words()

    def candidates(self, spot: Spot) -> Candidates:
        """Return the words that may stand in place of one: of another class, neither synonym nor kind, seen like it."""
        part = self._verbs if spot.is_verb else self._nouns
        key = (spot.label, spot.lemma, spot.form, spot.frame, spot.preposition)
        if key not in part.cache:
            part.cache[key] = self._find(spot, part)
        return part.cache[key]

    def seen_with(self, candidates: Candidates, spot: Spot, others: Sequence[int]) -> np.ndarray:
        """Tell of candidates, bool [n], whether their class is seen with one of `others`, classes of the other part.

        Of verbs, the nouns of the narration, and the other way round; True for all where it has none.
        """
        if not others:
            return np.ones(len(candidates.rows), bool)
        together = self._together if spot.is_verb else self._together.T
        return together[np.ix_(candidates.labels, list(others))].any(axis=1)

    def _find(self, spot: Spot, part: _Part) -> Candidates:
        rows, written = self._rows(spot, part)
        if spot.preposition and len(rows) < _ENOUGH:
            rows, written = self._rows(spot._replace(preposition=""), part)
        words = [part.words[row] for row in rows]
        return Candidates(
            rows=np.array(rows, np.int64),
            labels=np.array([label for label, _ in words], np.int64),
            weights=np.array([part.seen[word].total() for word in words], np.float64),
            written=tuple(written),
            like=np.array([spot.is_verb or one_sort(lemma, spot.lemma) for _, lemma in words], bool),
        )

    def _rows(self, spot: Spot, part: _Part) -> tuple[list[int], list[str]]:
        """Return the rows of words that may stand in a spot, and the words in its form."""
        rows, written = [], []
        for row, (label, lemma) in enumerate(part.words):
            is_other = label != spot.label and self._fits(part, (label, lemma), spot)
            text = inflect(lemma, spot.form) if is_other and not _one_kind(part, spot, label, lemma) else None
            if text is not None:
                rows.append(row)
                written.append(text)
        return rows, written

    def _fits(self, part: _Part, word: tuple[int, str], spot: Spot) -> bool:
        seen = part.seen[word]
        if spot.preposition and part.prepositions[word][spot.preposition] < self._least:
            return False
        if spot.is_verb:
            count = sum(n for (_, frame), n in seen.items() if frame == spot.frame)
            return count >= self._least and count >= _LEAST_SHARE * seen.total()
        count = sum(n for (form, frame), n in seen.items() if form == spot.form and spot.frame in (frame, THE))
        return count >= self._least


def _one_kind(part: _Part, spot: Spot, label: int, lemma: str) -> bool:
    """Tell whether a word, or what its class is called, may be said of what the one in the spot is said of."""
    theirs = (spot.lemma, *label_words(part.taxonomy.labels[spot.label])[:1])
    mine = (lemma, *label_words(part.taxonomy.labels[label])[:1])
    return any(related(one, other, part.name) for one in dict.fromkeys(mine) for other in dict.fromkeys(theirs))
