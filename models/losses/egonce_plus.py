"""EgoNCE++ (2405.17719): nouns alone make positives, and altered narrations are further negatives of a clip."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.losses.cosines import altered_logits, contrast, cosines, mean_over_rows
from egocurate.models.losses.pairs import ALL_ROWS, egonce_pairs, own_pairs_only
from egocurate.models.losses.rules import Undecided


def egonce_plus(
    text: Tensor,
    video: Tensor,
    altered: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    altered_valid: Tensor | None = None,
    *,
    temperature: float = 0.05,
    undecided: Undecided = "mask",
    rows: slice = ALL_ROWS,
) -> Tensor:
    """EgoNCE++ (2405.17719): each direction has its own contrast, and both are added.

    Text to video: rows that share a noun [M, N] are positives. Video to text: InfoNCE whose sum over all has the clip's
    own altered texts too, altered [M, K, D], its narration with another verb or noun; those that count are True in
    altered_valid [M, K] (default all).
    """
    to_video = egonce_pairs(nouns, nouns, valid, positives="noun", undecided=undecided, rows=rows)
    to_text = own_pairs_only(len(text), valid, rows, text.device)
    to_altered = altered_logits(video, altered, altered_valid, rows, temperature)
    loss = contrast(cosines(text[rows], video) / temperature, to_video)
    loss = loss + contrast(cosines(video[rows], text) / temperature, to_text, to_altered)
    return mean_over_rows(loss, valid, rows)
