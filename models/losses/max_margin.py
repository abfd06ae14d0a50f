"""The max-margin loss with which EgoVLP is tuned for multi-instance retrieval (2206.01670, section 6.2)."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.losses.cosines import cosines, unit_length
from egocurate.models.losses.pairs import ALL_ROWS, own_pair


def max_margin(
    text: Tensor, video: Tensor, relevance: Tensor | None = None, *, margin: float = 0.2, rows: slice = ALL_ROWS
) -> Tensor:
    """Max-margin loss of multi-instance retrieval: mean over i != j, both directions, of relu(w_i m - s_ii + s_ij).

    relevance [M]: w, that of clip i's drawn text, which makes it the adaptive form of EgoVLP (2206.01670, 6.2);
    default 1.
    """
    own = (unit_length(text) * unit_length(video)).sum(1)[rows, None]
    weight = 1 if relevance is None else relevance[rows, None]
    terms = sum((weight * margin - own + cosines(a[rows], b)).relu() for a, b in ((text, video), (video, text)))
    terms = terms.masked_fill(own_pair(len(text), rows, text.device), 0)
    return terms.sum() / (2 * len(terms) * (len(text) - 1))
