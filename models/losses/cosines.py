"""What the contrastive losses share: cosines of texts with clips, the contrast of each row, and the mean over rows.

A row is a text and its clip; a batch has M rows. With `rows` a loss is computed for those m rows alone, against all M:
that needs [m, M] numbers instead of [M, M]. It is scaled by M/m, so that the mean over ranks, each with its rows of the
gathered batch (see models/all_gather.py), is the loss of the whole batch. Sums are taken in float32 at least.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.models.losses.pairs import Pairs


def unit_length(x: Tensor) -> Tensor:
    """Divide the last axis of x [..., D] by its length, in float32 at least."""
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=1e-8)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of a [m, D] with all of b [M, D], [m, M]."""
    with torch.autocast(a.device.type, enabled=False):
        return unit_length(a) @ unit_length(b).T


def contrast(logits: Tensor, pairs: Pairs, extra_negatives: Tensor | None = None) -> Tensor:
    """Return the loss [m] of each row of logits [m, M]: -log(sum over positives / sum over all of its pairs).

    extra_negatives [m, K]: logits of further negatives, for the sum over all.
    """
    all_pairs = logits.masked_fill(~(pairs.positive | pairs.negative), -torch.inf)
    positives = logits.masked_fill(~pairs.positive, -torch.inf)
    if extra_negatives is not None:
        all_pairs = torch.cat([all_pairs, extra_negatives], dim=1)
    return torch.logsumexp(all_pairs, 1) - torch.logsumexp(positives, 1)


def altered_logits(
    video: Tensor, altered: Tensor, altered_valid: Tensor | None, rows: slice, temperature: float
) -> Tensor:
    """Return the logits [m, K] of clips with their own altered texts, -inf for those that do not count.

    video [M, D], altered [M, K, D], altered_valid [M, K].
    """
    logits = (unit_length(video)[rows, None] * unit_length(altered)[rows]).sum(2) / temperature
    return logits if altered_valid is None else logits.masked_fill(~altered_valid[rows], -torch.inf)


def mean_over_rows(loss: Tensor, valid: Tensor | None, rows: slice) -> Tensor:
    """Return this rank's share of the mean over all M rows that count; loss [m] is of its own `rows`."""
    if valid is None:
        return loss.mean()
    weight = valid.to(loss.dtype)
    ranks = len(weight) / len(loss)
    return (loss * weight[rows]).sum() * ranks / weight.sum().clamp(min=1)
