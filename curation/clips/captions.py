"""Several captions of a clip: flat, a row for each, while they are gathered; then the list columns of a clip table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.captions import CAPTION_TYPES, has_captions
from egocurate.curation.sources import CAPTION_COLUMNS
from egocurate.curation.text.marks import clean_text
from egocurate.curation.text.tag_table import tag_distinct
from egocurate.curation.text.taxonomy import Lexicon
from egocurate.curation.text.text_columns import normalized
from egocurate.progress import Report, silent
from egocurate.text_choices import CAPTION_KINDS, HUMAN

FLAT = pa.schema(
    [
        ("row", pa.int64()),
        ("captions", pa.large_string()),
        ("caption_texts", pa.large_string()),
        ("caption_kinds", pa.int8()),
        ("caption_weights", pa.float32()),
        ("caption_verbs", pa.list_(pa.int32())),
        ("caption_nouns", pa.list_(pa.int32())),
    ]
)
"""Captions one by one, each with the row of its clip."""


def tagged_captions(
    rows: np.ndarray,
    texts: list[str],
    kinds: np.ndarray,
    weights: np.ndarray,
    lexicon: Lexicon,
    report: Report = silent,
) -> pa.Table:
    """Return M captions, flat and in their order, each with its own tags; those without a word are left out.

    rows int64[M] of their clips, kinds int8[M], weights float32[M]. Each distinct text is tagged once.
    """
    coded = pa.array(map(clean_text, texts), pa.large_string()).dictionary_encode()
    tags = tag_distinct(coded.dictionary, lexicon, report)
    normal = normalized(coded.dictionary)
    flat = pa.table(
        [
            pa.array(rows, pa.int64()),
            coded.dictionary.take(coded.indices),
            normal.dictionary.take(normal.indices).take(coded.indices),
            pa.array(kinds, pa.int8()),
            pa.array(weights, pa.float32()),
            *(tags[name].combine_chunks().take(coded.indices) for name in ("tag_verb", "tag_noun")),
        ],
        schema=FLAT,
    )
    return flat.filter(pc.greater(pc.binary_length(flat["caption_texts"]), 0))


class NarratedCaptions:
    """What a segmented source has beside the text of each narration: its kind and weight, and further captions."""

    def __init__(self, narrations: pd.DataFrame, used: np.ndarray, lexicon: Lexicon, report: Report) -> None:
        """Tag the further captions of the narrations that are `used`, bool[N]."""
        kinds, lists, weights = (narrations[name].tolist() for name in CAPTION_COLUMNS)
        number = {name: code for code, name in enumerate(CAPTION_KINDS)}
        self._kind = np.array([number[kind] for kind in kinds], np.int8)
        self._weight = np.array([1.0 if one is None or not len(one) else one[0] for one in weights], np.float32)
        rows = [row for row in np.flatnonzero(used).tolist() for _ in lists[row]]
        texts = [text for row in np.flatnonzero(used).tolist() for text in lists[row]]
        of_texts = [
            1.0 if weights[row] is None else weights[row][1 + place]
            for row in np.flatnonzero(used).tolist()
            for place in range(len(lists[row]))
        ]
        row = np.array(rows, np.int64)
        self._more = tagged_captions(row, texts, self._kind[row], np.array(of_texts, np.float32), lexicon, report)
        self._row = self._more["row"].to_numpy()

    @staticmethod
    def are_told(narrations: pd.DataFrame) -> bool:
        """Tell whether narrations have more than one caption each, or one that no person wrote."""
        if not set(CAPTION_COLUMNS) <= set(narrations.columns):
            return False
        return bool((narrations["kind"] != CAPTION_KINDS[HUMAN]).any() or narrations["captions"].map(len).any())

    def add_to(self, clips: pa.Table, rows: np.ndarray) -> pa.Table:
        """Return clips with their captions; rows int64[n] are the narrations that they are of."""
        first, last = np.searchsorted(self._row, rows, "left"), np.searchsorted(self._row, rows, "right")
        counts = last - first
        place = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        more = self._more.take(place).set_column(0, "row", pa.array(np.repeat(np.arange(len(rows)), counts)))
        return with_captions(clips, own_captions(clips, self._kind[rows], self._weight[rows]), more)


def own_captions(clips: pa.Table, kinds: np.ndarray | None = None, weights: np.ndarray | None = None) -> pa.Table:
    """Return the captions that a clip table has, flat: those of its columns or, without any, its one text a clip."""
    if not has_captions(clips.schema):
        columns = {
            "row": np.arange(len(clips)),
            "captions": clips["clip_text"],
            "caption_texts": clips["text"],
            "caption_kinds": np.full(len(clips), HUMAN) if kinds is None else kinds,
            "caption_weights": np.ones(len(clips)) if weights is None else weights,
            "caption_verbs": clips["tag_verb"],
            "caption_nouns": clips["tag_noun"],
        }
        return pa.table(columns).cast(FLAT)
    counts = pc.list_value_length(clips["captions"]).to_numpy()
    lists = {name: pc.list_flatten(clips[name]) for name in CAPTION_TYPES}
    return pa.table({"row": np.repeat(np.arange(len(clips)), counts)} | lists).cast(FLAT)


def with_captions(clips: pa.Table, *flat: pa.Table) -> pa.Table:
    """Return a clip table with the columns of captions, in the order of `flat`, swaps last.

    What a clip has already is left out.
    """
    whole = pa.concat_tables(flat).combine_chunks()
    row = whole["row"].to_numpy()
    text = whole["caption_texts"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    width = int(text.max(initial=0)) + 1
    is_swap = whole["caption_kinds"].to_numpy() >= len(CAPTION_KINDS)
    # What is said of a clip is before what is wrong of it, and so no text is both.
    by_place = np.lexsort((np.arange(len(row)), is_swap))
    _, first = np.unique((row * width + text)[by_place], return_index=True)
    order = by_place[first]
    order = order[np.lexsort((order, is_swap[order], row[order]))]
    kept = whole.take(order).combine_chunks()
    ends = np.searchsorted(row[order], np.arange(len(clips) + 1)).astype(np.int32)
    for name, kind in CAPTION_TYPES.items():
        values = kept[name].combine_chunks().cast(kind.value_type)
        column = pa.ListArray.from_arrays(pa.array(ends), values).cast(kind)
        place = clips.schema.get_field_index(name)
        clips = clips.append_column(name, column) if place < 0 else clips.set_column(place, name, column)
    return clips


def without_swaps(clips: pa.Table) -> pa.Table:
    """Return a clip table without its text negatives: without the columns of captions if they held nothing else."""
    if not has_captions(clips.schema):
        return clips
    whole = own_captions(clips)
    own = whole.filter(pc.less(whole["caption_kinds"], len(CAPTION_KINDS)))
    bare = clips.drop_columns(list(CAPTION_TYPES))
    held_no_more = len(own) == len(clips) < len(whole) and pc.all(pc.equal(own["caption_kinds"], HUMAN)).as_py()
    return bare if held_no_more else with_captions(bare, own)
