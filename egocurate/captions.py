"""Several captions of a clip: how clip tables, the index and the json member of a clip write them.

The columns are all there or none is: a table without them has one caption a clip, its text. The first caption of a clip
is its `clip_text`, with the clip's own tags; the lists of a row are equally long.
"""

from __future__ import annotations

import pyarrow as pa

CAPTION_KINDS = ("human", "rephrased", "narrator", "caption")
"""Who wrote a caption, by number: a person; a model that rephrased a person's; a model that narrated; another model."""

HUMAN = CAPTION_KINDS.index("human")

CAPTION_TYPES = {
    "captions": pa.list_(pa.string()),
    "caption_texts": pa.list_(pa.string()),
    "caption_kinds": pa.list_(pa.int8()),
    "caption_weights": pa.list_(pa.float32()),
    "caption_verbs": pa.list_(pa.list_(pa.int32())),
    "caption_nouns": pa.list_(pa.list_(pa.int32())),
}
"""Columns of captions: as written, normalized, numbers of CAPTION_KINDS, weights of a draw, and each one's own tags."""

IN_JSON = tuple(name for name in CAPTION_TYPES if name != "caption_texts")
"""Those that the json member of a clip has: what is normalized follows from what is written."""


def has_captions(schema: pa.Schema) -> bool:
    """Tell whether a table has columns of captions."""
    return "captions" in schema.names


def caption_fields(schema: pa.Schema) -> list[pa.Field]:
    """Return the columns of captions that a table with this schema has to have: all, or none."""
    return [pa.field(name, kind) for name, kind in CAPTION_TYPES.items()] if has_captions(schema) else []
