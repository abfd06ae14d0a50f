"""The sigmoid loss of SigLIP (2303.15343): every pair is a yes-or-no question of its own."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from egocurate.models.losses.cosines import cosines, mean_over_rows
from egocurate.models.losses.pairs import ALL_ROWS, Pairs


def sigmoid_loss(
    text: Tensor,
    video: Tensor,
    pairs: Pairs,
    scale: Tensor,
    bias: Tensor,
    valid: Tensor | None = None,
    *,
    rows: slice = ALL_ROWS,
) -> Tensor:
    """Sigmoid loss (2303.15343, eq. 1) with many positives: -mean_i sum_j log sigmoid(+-(scale * cos + bias)).

    pairs: see `egonce_pairs`; pairs that are neither are left out. scale and bias are learned scalars that start at 10
    and -10 (the paper learns the logarithm of the scale).
    """
    logits = cosines(text[rows], video) * scale + bias
    terms = F.logsigmoid(logits).where(pairs.positive, F.logsigmoid(-logits).where(pairs.negative, 0))
    return mean_over_rows(-terms.sum(1), valid, rows)
