"""Masked language modeling and video-text matching (EgoVLPv2, 2307.05463, section 3.2) on arrays of uniform numbers.

Nothing here draws: the caller gives uniform numbers in [0, 1), so that a row's masks and partners can be a function of
(seed, epoch, sample) and the same on any number of ranks.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from egocurate.models.all_gather import mean_over_ranks


class MaskedTokens(NamedTuple):
    """Texts with some tokens hidden, and what stood there."""

    ids: Tensor  # int64 [B, L]
    places: Tensor  # int64 [K], of the flattened [B * L]
    targets: Tensor  # int64 [K]


class Matches(NamedTuple):
    """Texts and clips for video-text matching, by their rows in the whole batch."""

    text: Tensor  # int64 [m]
    video: Tensor  # int64 [m]
    label: Tensor  # int64 [m], 1 where they belong together


class Vocabulary(NamedTuple):
    """What masking must know of a tokenizer: its size and the ids that have a meaning of their own."""

    size: int
    mask_id: int
    special_ids: tuple[int, ...]  # never hidden: begin, end, padding, unknown

    def maskable(self, ids: Tensor) -> Tensor:
        """Tell which tokens [B, L] may be hidden."""
        return ~torch.isin(ids, torch.tensor(self.special_ids, device=ids.device))


def mask_tokens(
    ids: Tensor, vocabulary: Vocabulary, uniform: Tensor, valid: Tensor | None = None, *, share: float = 0.15
) -> MaskedTokens:
    """Hide a share of the tokens [B, L]: 80 % become the mask, 10 % any token, 10 % stay (BERT, 1810.04805, 3.1).

    uniform: [B, L, 3] in [0, 1); valid [B]: texts in which anything is hidden (default all). On a GPU this waits for
    the number of hidden tokens; on the CPU it costs nothing.
    """
    hidden = vocabulary.maskable(ids) & (uniform[..., 0] < share)
    if valid is not None:
        hidden = hidden & valid[:, None]
    other = (uniform[..., 2] * vocabulary.size).long()
    fate = uniform[..., 1]
    replacement = torch.where(fate < 0.8, vocabulary.mask_id, torch.where(fate < 0.9, other, ids))
    places = hidden.flatten().nonzero().flatten()
    return MaskedTokens(torch.where(hidden, replacement, ids), places, ids.flatten()[places])


def mlm_loss(logits: Tensor, targets: Tensor, count: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits [K, V] at hidden places, a mean over those of all ranks (see models/all_gather.py).

    count: how many places this rank has, where these K are a part of them.
    """
    return mean_over_ranks(F.cross_entropy(_float32(logits), targets, reduction="none"), count)


def vtm_loss(logits: Tensor, label: Tensor, valid: Tensor, count: Tensor | None = None) -> Tensor:
    """Cross-entropy of logits [m, 2], a mean over the valid rows of all ranks (see models/all_gather.py).

    count: how many valid rows this rank has, where these m are a part of all.
    """
    losses = F.cross_entropy(_float32(logits), label, reduction="none")
    return mean_over_ranks(losses * valid, valid.sum() if count is None else count)


def match_rows(
    text_logits: Tensor,
    video_logits: Tensor,
    negative: Tensor,
    half: Tensor,
    uniform: Tensor,
    own: Tensor | None = None,
) -> Matches:
    """Choose for m rows whether they stay a pair or get a hard negative, by softmax of similarity over negatives.

    text_logits [m, M]: similarity / temperature of these rows' texts to all clips, video_logits of their clips to all
    texts; negative [m, M]: partners that may be drawn. half [m]: rows to take apart. uniform [m, 2] in [0, 1): below
    one half another clip comes to the text, else another text to the clip; and which. own [m]: where these rows stand
    among the M (default the first m). A row without negatives stays a pair, and no positive is ever drawn as a
    negative. What is drawn depends on the order of the M: let it be the same on any number of ranks.
    """
    own = torch.arange(len(negative), device=negative.device) if own is None else own
    to_video = uniform[:, 0] < 0.5
    logits = torch.where(to_video[:, None], text_logits, video_logits).detach()
    apart = half & negative.any(1)
    weight = torch.softmax(_float32(logits).masked_fill(~negative, -torch.inf), 1)
    weight = weight.where(apart[:, None], 1.0)  # no negative: any weight, nothing is drawn
    drawn = draw(weight, uniform[:, 1])
    text = torch.where(apart & ~to_video, drawn, own)
    video = torch.where(apart & to_video, drawn, own)
    return Matches(text, video, (~apart).long())


def draw(weight: Tensor, uniform: Tensor) -> Tensor:
    """Draw one column of each row of weight [m, M] in proportion to it, by uniform [m] in [0, 1)."""
    steps = weight.double().cumsum(1)
    drawn = torch.searchsorted(steps, uniform[:, None].double() * steps[:, -1:], right=True).flatten()
    # Rounding may carry the last bit past the end, onto a column of weight 0.
    last = weight.shape[1] - 1 - (weight > 0).flip(1).int().argmax(1)
    return torch.minimum(drawn, last)


def _float32(logits: Tensor) -> Tensor:
    """Return logits in float32 at least."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
