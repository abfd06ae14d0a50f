"""InfoNCE: the contrast of CLIP and VideoPrism, in which a text's own clip is its only positive."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.losses.cosines import contrast, cosines, mean_over_rows
from egocurate.models.losses.pairs import ALL_ROWS, own_pairs_only


def info_nce(
    text: Tensor, video: Tensor, valid: Tensor | None = None, *, temperature: float = 0.05, rows: slice = ALL_ROWS
) -> Tensor:
    """InfoNCE in both directions, added (EgoVLP, 2206.01670, eq. 4).

    text, video: [M, D]; valid [M]: rows that count, as rows and as columns (default all).
    """
    pairs = own_pairs_only(len(text), valid, rows, text.device)
    loss = sum(contrast(cosines(a[rows], b) / temperature, pairs) for a, b in ((text, video), (video, text)))
    return mean_over_rows(loss, valid, rows)
