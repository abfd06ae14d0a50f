"""Facts of hard negatives: which pairs there are, and what the two clips of a pair have in common."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.curation.clips.class_sets import ragged, share

ANCHORS = 50_000  # clips whose negatives are looked at


def negative_pairs(table: pa.Table, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (anchors, negatives) int64[P] of the negatives of up to ANCHORS clips drawn at random."""
    rows = np.sort(rng.permutation(table.num_rows)[:ANCHORS])
    lists = table["negatives"].take(pa.array(rows))
    anchors = np.repeat(rows, pc.list_value_length(lists).to_numpy())
    return anchors, pc.list_flatten(lists).to_numpy()


def shared_with_negatives(table: pa.Table, anchors: np.ndarray, negatives: np.ndarray) -> list[tuple[str, int]]:
    """Return (what, pairs): a noun in common, a verb, both (which none should have) or neither."""
    verb, noun = (share(ragged(table[name]), anchors, negatives) for name in ("tag_verb", "tag_noun"))
    kinds = {"same noun": noun & ~verb, "same verb": verb & ~noun, "both": verb & noun, "neither": ~verb & ~noun}
    return [(name, int(rows.sum())) for name, rows in kinds.items()]
