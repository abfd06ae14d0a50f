"""Which caption of a clip a batch shows: its first, one drawn by weight, or one of a kind; and which swaps. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egocurate.errors import InputError
from egocurate.loaders.order.counter_rng import permutation
from egocurate.shards.read.caption_columns import CaptionColumns
from egocurate.shards.read.index import ShardIndex
from egocurate.text_choices import kind_weights


def draw_caption(captions: CaptionColumns, sample: int, choice: str, rng: np.random.Generator) -> int:
    """Return the place of the caption that a sample is shown with; `choice` is a caption choice, any but FIRST.

    Of those that may be, each is as likely as its weight times that of its kind (`kind_weights`). A clip that has none
    of the kinds shows its first.
    """
    span = captions.span(sample)
    weights = captions.weights[span].astype(np.float64) * np.array(kind_weights(choice))[captions.kinds[span]]
    ends = np.cumsum(weights)
    if not ends[-1] > 0:
        return 0
    # Never beyond the last that may be, whatever rounding has made of the sum.
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], "right")), int(np.flatnonzero(weights)[-1]))


def draw_swaps(captions: CaptionColumns, sample: int, count: int, rng: np.random.Generator) -> list[int]:
    """Return the places of up to `count` of a sample's swaps, all equally likely, in their order."""
    places = captions.swaps(sample)
    return sorted(places[permutation(rng, len(places))[:count]].tolist())


def check_swaps(indexes: Sequence[ShardIndex], count: int) -> None:
    """Raise InputError if swaps are asked for that no folder has."""
    if not count or any(index.captions is not None and index.captions.has_swaps for index in indexes):
        return
    folders = ", ".join(str(index.folder) for index in indexes)
    raise InputError(
        f"text_negatives {count}: no clip of {folders} has any; make the clips with `curate egoclip --text-negatives K`"
    )
