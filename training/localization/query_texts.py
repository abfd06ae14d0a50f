"""Questions as what the model reads: ids of words, and sentences that a trained model has embedded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"[a-z0-9']+")
NONE, UNKNOWN, FIRST = 0, 1, 2
MOST_WORDS = 32
"""of a question; Ego4D's longest has fewer"""


class Vocabulary(NamedTuple):
    """The number of each word that questions have been learned from, from FIRST on."""

    numbers: dict[str, int]

    def __len__(self) -> int:
        """Return how many ids there are, with those of no word and of an unknown one."""
        return FIRST + len(self.numbers)

    def ids(self, texts: Sequence[str]) -> np.ndarray:
        """Return ids int64 [M, L], NONE behind the last word of each; a text without words is one unknown word."""
        rows = [[self.numbers.get(word, UNKNOWN) for word in words(text)[:MOST_WORDS]] or [UNKNOWN] for text in texts]
        ids = np.full((len(rows), max(map(len, rows), default=1)), NONE, np.int64)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        return ids


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def vocabulary_of(texts: Sequence[str]) -> Vocabulary:
    """Return the vocabulary of texts, in the order of the alphabet."""
    return Vocabulary({word: place for place, word in enumerate(sorted({w for t in texts for w in words(t)}), FIRST)})
