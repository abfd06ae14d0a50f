"""Several captions of a clip: how clip tables, the index and the json member of a clip write them.

The columns are all there or none is: a table without them has one caption a clip, its text. The first caption of a clip
is its `clip_text`, with the clip's own tags; the lists of a row are equally long.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from egocurate.text_choices import CAPTION_KINDS, STORED_KINDS

CAPTION_TYPES = {
    "captions": pa.list_(pa.string()),
    "caption_texts": pa.list_(pa.string()),
    "caption_kinds": pa.list_(pa.int8()),
    "caption_weights": pa.list_(pa.float32()),
    "caption_verbs": pa.list_(pa.list_(pa.int32())),
    "caption_nouns": pa.list_(pa.list_(pa.int32())),
}
"""Columns of captions: as written, normalized, numbers of STORED_KINDS, weights of a draw, and each one's own tags."""

IN_JSON = ("captions", "caption_kinds", "caption_verbs", "caption_nouns")
"""Those that the json member of a clip has: what the captions are, not how often they are shown."""


def has_captions(schema: pa.Schema) -> bool:
    """Tell whether a table has columns of captions."""
    return "captions" in schema.names


def caption_fields(schema: pa.Schema) -> list[pa.Field]:
    """Return the columns of captions that a table with this schema has to have: all, or none."""
    return [pa.field(name, kind) for name, kind in CAPTION_TYPES.items()] if has_captions(schema) else []


def caption_fault(table: pa.Table) -> tuple[int, str] | None:
    """Return the first row, and what is wrong, whose captions are none; None for captions that are right."""
    counts = pc.list_value_length(table["captions"])
    faults = [(pc.equal(counts, 0), "captions is empty; the first is clip_text")]
    for name in CAPTION_TYPES:
        differs = pc.not_equal(pc.list_value_length(table[name]), counts)
        faults.append((differs, f"{name} has another number of entries than captions"))
    for bad, what in faults:
        if pc.any(bad).as_py():
            return _first(bad), what
    swaps = pa.array(range(len(CAPTION_KINDS), len(STORED_KINDS)), pa.int8())
    faults = [
        (
            pc.not_equal(pc.list_element(table["captions"], 0), table["clip_text"]),
            "captions begins with another text than clip_text",
        ),
        (
            pc.is_in(pc.list_element(table["caption_kinds"], 0), value_set=swaps),
            "captions begins with a text that is wrong of the clip, by its kind",
        ),
    ]
    kinds, weights = (pc.list_flatten(table[name]) for name in ("caption_kinds", "caption_weights"))
    owner = np.repeat(np.arange(len(table)), counts.to_numpy())
    wrong = {
        f"caption_kinds has a number that is not among 0 to {len(STORED_KINDS) - 1}": ~np.isin(
            kinds.to_numpy(), range(len(STORED_KINDS))
        ),
        "caption_weights has a number that is no weight above 0": ~(
            (weights.to_numpy() > 0) & np.isfinite(weights.to_numpy())
        ),
    }
    for bad, what in faults:
        if pc.any(bad).as_py():
            return _first(bad), what
    for what, bad in wrong.items():
        if bad.any():
            return int(owner[np.argmax(bad)]), what
    for name in ("caption_verbs", "caption_nouns"):
        of_captions = pc.list_flatten(table[name])
        least = pc.min(pc.list_flatten(of_captions)).as_py()
        if least is not None and least < 0:
            bad = [min(classes, default=0) < 0 for classes in of_captions.to_pylist()]
            return int(owner[np.argmax(bad)]), f"{name} has a number below 0"
    return None


def _first(mask: pa.ChunkedArray) -> int:
    return int(np.argmax(np.asarray(mask)))
