"""Which caption of a clip a batch shows: its first, one drawn by weight, or one of a kind. Pure."""

from __future__ import annotations

import numpy as np

from egocurate.caption_kinds import CAPTION_KINDS
from egocurate.shards.read.caption_columns import CaptionColumns

FIRST, DRAW = "first", "draw"
CAPTION_CHOICES = (FIRST, DRAW, *CAPTION_KINDS)
"""What `StreamConfig.captions` may be."""


def draw_caption(captions: CaptionColumns, sample: int, choice: str, rng: np.random.Generator) -> int:
    """Return the place of the caption that a sample is shown with; it is one of DRAW or of the kinds.

    Of those that may be, each is as likely as its weight; a clip that has none of the kind shows its first.
    """
    span = captions.span(sample)
    weights = captions.weights[span].astype(np.float64)
    if choice != DRAW:
        weights = np.where(captions.kinds[span] == CAPTION_KINDS.index(choice), weights, 0.0)
    ends = np.cumsum(weights)
    if not ends[-1] > 0:
        return 0
    # Never beyond the last that may be, whatever rounding has made of the sum.
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], "right")), int(np.flatnonzero(weights)[-1]))
