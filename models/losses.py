"""EgoNCE (EgoVLP, 2206.01670, section 4.2) and InfoNCE over a batch of texts and clips, by logsumexp in float32."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Positives = Literal["and", "or", "noun", "verb"]
Undecided = Literal["mask", "negative"]


def egonce(
    text: Tensor,
    video: Tensor,
    verbs: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    *,
    temperature: float = 0.05,
    positives: Positives = "and",
    undecided: Undecided = "mask",
) -> Tensor:
    """EgoNCE (eq. 5): -mean_i log(sum over i's positives / sum over all), text to video plus video to text.

    text, video: [M, D], anchors and their hard negatives alike; verbs [M, V] and nouns [M, N]: bool, one per class;
    valid [M]: rows that count, as rows and as columns (default all). A hard negative that shares the anchor's tags is a
    positive like any other row. Undecided pairs (see `tag_pairs`) are left out of both sums; "negative" is the
    published treatment, which pushes them apart.
    """
    positive, negative = tag_pairs(verbs, nouns, positives)
    if undecided == "negative":
        negative = ~positive
    return _contrast(text, video, positive, negative, valid, temperature)


def info_nce(text: Tensor, video: Tensor, valid: Tensor | None = None, *, temperature: float = 0.05) -> Tensor:
    """EgoNCE whose only positive of a text is its own clip: InfoNCE in both directions, summed (eq. 4)."""
    positive = torch.eye(len(text), dtype=torch.bool, device=text.device)
    return _contrast(text, video, positive, ~positive, valid, temperature)


def tag_pairs(verbs: Tensor, nouns: Tensor, positives: Positives) -> tuple[Tensor, Tensor]:
    """Tell for every two rows whether the rule holds (positive) or fails (negative) [M, M]; undecided is neither.

    Two rows share a verb, or share none though both have some, or it is open because one of them has none; nouns
    likewise. "and" holds if both are shared and fails if either is known to differ; "or" holds if either is shared and
    fails if both are known to differ. So "walks" (no noun) is a negative of "cuts onion" and undecided against "walks
    to door", and a row without any tag has no negatives.
    """
    same_verb, other_verb = _shared(verbs)
    same_noun, other_noun = _shared(nouns)
    if positives == "and":
        return same_verb & same_noun, other_verb | other_noun
    if positives == "or":
        return same_verb | same_noun, other_verb & other_noun
    if positives == "verb":
        return same_verb, other_verb
    if positives == "noun":
        return same_noun, other_noun
    raise ValueError(f"positives={positives!r}: use 'and', 'or', 'noun' or 'verb'")


def _shared(tags: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of rows [M, M] that share a tag, and pairs that share none though both have tags."""
    some = tags.any(dim=1)
    tags = tags.float()
    same = tags @ tags.T > 0
    return same, some[:, None] & some & ~same


def _contrast(
    text: Tensor, video: Tensor, positive: Tensor, negative: Tensor, valid: Tensor | None, temperature: float
) -> Tensor:
    """-log(sum over positives / sum over positives and negatives), mean over valid rows, both directions summed."""
    own = torch.eye(len(text), dtype=torch.bool, device=text.device)
    weight = torch.ones(len(text), device=text.device) if valid is None else valid.float()
    # A row that does not count keeps its own pair alone: its loss is exactly 0 and no gradient divides by 0.
    counts = weight[:, None] * weight > 0
    positive = (positive & counts) | own
    candidate = positive | (negative & counts)
    with torch.autocast(text.device.type, enabled=False):
        cosine = F.normalize(text.float(), dim=1, eps=1e-8) @ F.normalize(video.float(), dim=1, eps=1e-8).T
    logits = cosine / temperature
    among = logits.masked_fill(~candidate, -torch.inf)
    right = logits.masked_fill(~positive, -torch.inf)
    loss = sum(torch.logsumexp(among, dim) - torch.logsumexp(right, dim) for dim in (1, 0))
    return (loss * weight).sum() / weight.sum().clamp(min=1)
