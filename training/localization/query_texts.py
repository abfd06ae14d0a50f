"""Questions as what the model reads: ids of words that are learned from nothing, in rows of one length."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_WORD = re.compile(r"[a-z0-9']+")
UNKNOWN, FIRST = 1, 2
"""ids; 0 is of no word"""
MOST_WORDS = 32
"""of a question; Ego4D's longest has fewer"""


class Vocabulary(NamedTuple):
    """The number of each word that questions have been learned from, from FIRST on."""

    numbers: dict[str, int]

    def __len__(self) -> int:
        """Return how many ids there are, with those of no word and of an unknown one."""
        return FIRST + len(self.numbers)

    def ids(self, texts: Sequence[str]) -> list[Tensor]:
        """Return the ids of each text's words, int64 [L]; a text without words is one unknown word."""
        rows = [[self.numbers.get(word, UNKNOWN) for word in words(text)[:MOST_WORDS]] or [UNKNOWN] for text in texts]
        return [torch.tensor(row) for row in rows]


def padded(rows: Sequence[Tensor], length: int) -> tuple[Tensor, Tensor]:
    """Return rows [L] or [L, W] as one tensor [B, length] or [B, length, W], and the mask bool [B, length] of them."""
    batch = rows[0].new_zeros(len(rows), length, *rows[0].shape[1:])
    for place, row in enumerate(rows):
        batch[place, : len(row)] = row
    return batch, torch.arange(length) < torch.tensor([len(row) for row in rows])[:, None]


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.lower())


def vocabulary_of(texts: Sequence[str]) -> Vocabulary:
    """Return the vocabulary of texts, in the order of the alphabet."""
    return Vocabulary({word: place for place, word in enumerate(sorted({w for t in texts for w in words(t)}), FIRST)})
