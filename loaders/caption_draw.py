"""Which caption of a clip a batch shows: its first, one drawn by weight, or one of a kind. Pure."""

from __future__ import annotations

import numpy as np

from egocurate.shards.read.caption_columns import CaptionColumns
from egocurate.text_choices import kind_weights


def draw_caption(captions: CaptionColumns, sample: int, choice: str, rng: np.random.Generator) -> int:
    """Return the place of the caption that a sample is shown with; `choice` is a caption choice, any but FIRST.

    Of those that may be, each is as likely as its weight times that of its kind (`kind_weights`); a clip that has none
    of the kinds shows its first.
    """
    span = captions.span(sample)
    weights = captions.weights[span].astype(np.float64) * np.array(kind_weights(choice))[captions.kinds[span]]
    ends = np.cumsum(weights)
    if not ends[-1] > 0:
        return 0
    # Never beyond the last that may be, whatever rounding has made of the sum.
    return min(int(np.searchsorted(ends, rng.random() * ends[-1], "right")), int(np.flatnonzero(weights)[-1]))
