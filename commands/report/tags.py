"""Facts of the verbs and nouns of clips: how often each class occurs, how many clips have any, and what has none."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.text.action_words import CARRIERS
from egocurate.curation.text.inflection import noun_bases, verb_bases
from egocurate.curation.text.taxonomy import Lexicon, Taxonomy, form_words

TOP_CLASSES = 20
# Words that no dictionary of verbs and nouns should hold.
# fmt: off
_FUNCTION_WORDS = frozenset({
    "a", "about", "above", "across", "after", "again", "against", "all", "along", "also", "an", "and", "another", "any",
    "are", "around", "as", "at", "away", "back", "be", "because", "before", "behind", "being", "below", "beside",
    "between", "both", "but", "by", "down", "each", "five", "for", "four", "from", "has", "have", "he", "her", "him",
    "his", "how", "if", "in", "inside", "into", "is", "it", "its", "just", "little", "more", "near", "new", "next",
    "no", "not", "of", "off", "on", "once", "one", "onto", "or", "other", "out", "over", "same", "she", "so", "some",
    "still", "that", "the", "their", "them", "then", "there", "they", "this", "three", "to", "together", "toward",
    "towards", "two", "under", "unsure", "until", "up", "upon", "very", "was", "were", "what", "when", "where", "which",
    "while", "who", "with", "without",
})
# fmt: on


def class_counts(column: pa.ChunkedArray, taxonomy: Taxonomy) -> np.ndarray:
    """Return how many clips have each class of a tag column list<int32>[N], int64[C]."""
    return np.bincount(pc.list_flatten(column).to_numpy(), minlength=len(taxonomy))


def most_frequent(counts: np.ndarray, taxonomy: Taxonomy) -> list[tuple[str, int]]:
    """Return (label, clips) of the classes with the most clips."""
    order = np.argsort(-counts, kind="stable")[:TOP_CLASSES]
    return [(plain(taxonomy.labels[i]), int(counts[i])) for i in order if counts[i]]


def tail(counts: np.ndarray) -> str:
    """Say how many classes occur, how many of them once, and what the most frequent make."""
    total = int(counts.sum()) or 1
    ten = np.sort(counts)[::-1][:10].sum() / total
    occur, once = int((counts > 0).sum()), int((counts == 1).sum())
    return (
        f"{occur:,} of {len(counts):,} classes occur, {once:,} of them once; "
        f"the ten most frequent make {ten:.0%} of all tags."
    )


def plain(label: str) -> str:
    """Write a label without its group: "take_(pick,_grab,_get)" is "take"."""
    return label.split("_(")[0].replace("_", " ")


def coverage(table: pa.Table) -> list[tuple[str, int]]:
    """Return (what, clips): with a verb and a noun, with one of them, with none."""
    verb, noun = has_verb_and_noun(table)
    kinds = {"verb and noun": verb & noun, "verb only": verb & ~noun, "noun only": noun & ~verb, "none": ~verb & ~noun}
    return [(name, int(rows.sum())) for name, rows in kinds.items()]


def has_verb_and_noun(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Tell of each clip whether it has a verb, and whether it has a noun: bool[N] each."""
    verb, noun = (pc.list_value_length(table[name]).to_numpy() > 0 for name in ("tag_verb", "tag_noun"))
    return verb, noun


def untagged_texts(table: pa.Table, column: str, count: int = 5) -> list[tuple[str, int]]:
    """Return the most frequent texts without a class of `column`, and how many clips have each."""
    texts = table["text"].filter(pc.equal(pc.list_value_length(table[column]), 0))
    return sorted(_count(texts), key=lambda pair: -pair[1])[:count]


def untagged_words(table: pa.Table, lexicon: Lexicon, count: int = 15) -> list[tuple[str, int]]:
    """Return the most frequent words that are in no form of either dictionary, and how many clips have each."""
    clips_with: Counter[str] = Counter()
    for text, clips in _count(table["text"]):
        for word in set(form_words(text)):
            clips_with[word] += clips
    known = {word for part in (lexicon.verbs, lexicon.nouns) for form in part.forms for word in form.split()}
    known |= _FUNCTION_WORDS | CARRIERS
    unknown = (
        (word, clips)
        for word, clips in clips_with.most_common()
        if len(word) > 1 and known.isdisjoint((*verb_bases(word), *noun_bases(word)))
    )
    return [pair for pair, _ in zip(unknown, range(count), strict=False)]


def _count(texts: pa.ChunkedArray) -> list[tuple[str, int]]:
    """Return each text and how many clips have it."""
    counts = texts.combine_chunks().value_counts()
    return list(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
