"""Contrastive losses over a batch of texts and clips by their cosines: EgoNCE, InfoNCE, EgoNCE++, sigmoid, max-margin.

A row is a text and its clip. With `rows` a loss is computed for those rows alone, against all: m of M rows need [m, M]
numbers instead of [M, M]. It is scaled by M/m, so that the mean over ranks, each with its rows of the gathered batch
(see models/all_gather.py), is the loss of the whole batch. Sums are taken in float32 at least.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Positives = Literal["and", "or", "noun", "verb"]
Undecided = Literal["mask", "negative"]
ALL = slice(None)


class Pairs(NamedTuple):
    """Which pairs [m, M] of rows belong together and which do not; the others are left out. A row's own pair does."""

    positive: Tensor
    negative: Tensor


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
    rows: slice = ALL,
) -> Tensor:
    """EgoNCE (EgoVLP, 2206.01670, eq. 5): -mean_i log(sum over i's positives / sum over all), both directions added.

    text, video: [M, D], anchors and their hard negatives alike; verbs [M, V] and nouns [M, N]: bool, one per class;
    valid [M]: rows that count, as rows and as columns (default all). A hard negative that shares the anchor's tags is a
    positive like any other row. Undecided pairs (see `tag_pairs`) are left out of both sums; "negative" is the
    published treatment, which pushes them apart.
    """
    pairs = egonce_pairs(verbs, nouns, valid, positives=positives, undecided=undecided, rows=rows)
    loss = sum(_contrast(cosines(a[rows], b) / temperature, pairs) for a, b in ((text, video), (video, text)))
    return _mean(loss, valid, rows)


def info_nce(
    text: Tensor, video: Tensor, valid: Tensor | None = None, *, temperature: float = 0.05, rows: slice = ALL
) -> Tensor:
    """EgoNCE whose only positive of a text is its own clip: InfoNCE in both directions, added (eq. 4)."""
    own = _own(len(text), rows, text.device)
    pairs = _counted(own, ~own, valid, rows)
    loss = sum(_contrast(cosines(a[rows], b) / temperature, pairs) for a, b in ((text, video), (video, text)))
    return _mean(loss, valid, rows)


def egonce_plus(
    text: Tensor,
    video: Tensor,
    altered: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    *,
    temperature: float = 0.05,
    undecided: Undecided = "mask",
    rows: slice = ALL,
) -> Tensor:
    """EgoNCE++ (2405.17719): each direction its own contrast, added.

    Text to video: rows that share a noun [M, N] are positives. Video to text: InfoNCE whose sum over all has the clip's
    own altered texts too, altered [M, K, D], its narration with another verb or noun.
    """
    to_video = egonce_pairs(nouns, nouns, valid, positives="noun", undecided=undecided, rows=rows)
    own = _own(len(text), rows, text.device)
    to_text = _counted(own, ~own, valid, rows)
    extra = (_unit(video)[rows, None] * _unit(altered)[rows]).sum(2) / temperature
    loss = _contrast(cosines(text[rows], video) / temperature, to_video)
    loss = loss + _contrast(cosines(video[rows], text) / temperature, to_text, extra)
    return _mean(loss, valid, rows)


def sigmoid_loss(
    text: Tensor,
    video: Tensor,
    pairs: Pairs,
    scale: Tensor,
    bias: Tensor,
    valid: Tensor | None = None,
    *,
    rows: slice = ALL,
) -> Tensor:
    """Sigmoid loss (SigLIP, 2303.15343, eq. 1) with many positives: -mean_i sum_j log sigmoid(+-(scale * cos + bias)).

    pairs: see `egonce_pairs`; pairs that are neither are left out. scale and bias are learned scalars that start at 10
    and -10 (the paper learns the logarithm of the scale).
    """
    logits = cosines(text[rows], video) * scale + bias
    terms = F.logsigmoid(logits).where(pairs.positive, F.logsigmoid(-logits).where(pairs.negative, 0))
    return _mean(-terms.sum(1), valid, rows)


def max_margin(
    text: Tensor, video: Tensor, relevance: Tensor | None = None, *, margin: float = 0.2, rows: slice = ALL
) -> Tensor:
    """Max-margin loss of multi-instance retrieval: mean over i != j, both directions, of relu(w_i m - s_ii + s_ij).

    relevance [M]: w, that of clip i's drawn text, which makes it the adaptive form of EgoVLP (2206.01670, 6.2);
    default 1.
    """
    own = (_unit(text) * _unit(video)).sum(1)[rows, None]
    weight = 1 if relevance is None else relevance[rows, None]
    terms = sum((weight * margin - own + cosines(a[rows], b)).relu() for a, b in ((text, video), (video, text)))
    terms = terms.masked_fill(_own(len(text), rows, text.device), 0)
    return terms.sum() / (2 * len(terms) * (len(text) - 1))


def egonce_pairs(
    verbs: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    *,
    positives: Positives = "and",
    undecided: Undecided = "mask",
    rows: slice = ALL,
) -> Pairs:
    """Return the pairs [m, M] that EgoNCE pulls together and pushes apart; arguments as for `egonce`."""
    positive, negative = tag_pairs(verbs, nouns, positives, rows)
    return _counted(positive, ~positive if undecided == "negative" else negative, valid, rows)


def tag_pairs(verbs: Tensor, nouns: Tensor, positives: Positives, rows: slice = ALL) -> tuple[Tensor, Tensor]:
    """Tell for every two rows whether the rule holds (positive) or fails (negative) [m, M]; undecided is neither.

    Two rows share a verb, or share none though both have some, or it is open because one of them has none; nouns
    likewise. "and" holds if both are shared and fails if either is known to differ; "or" holds if either is shared and
    fails if both are known to differ. So "walks" (no noun) is a negative of "cuts onion" and undecided against "walks
    to door", and a row without any tag has no negatives.
    """
    same_verb, other_verb = _shared(verbs, rows)
    same_noun, other_noun = _shared(nouns, rows)
    if positives == "and":
        return same_verb & same_noun, other_verb | other_noun
    if positives == "or":
        return same_verb | same_noun, other_verb & other_noun
    if positives == "verb":
        return same_verb, other_verb
    if positives == "noun":
        return same_noun, other_noun
    raise ValueError(f"positives={positives!r}: use 'and', 'or', 'noun' or 'verb'")


def _shared(tags: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Pairs of rows [m, M] that share a tag, and pairs that share none though both have tags."""
    some = tags.any(dim=1)
    tags = tags.float()
    same = tags[rows] @ tags.T > 0
    return same, some[rows, None] & some & ~same


def _own(count: int, rows: slice, device: torch.device) -> Tensor:
    """Places of the rows' own pairs [m, M]."""
    places = torch.arange(count, device=device)
    return places[rows, None] == places


def _counted(positive: Tensor, negative: Tensor, valid: Tensor | None, rows: slice) -> Pairs:
    """Leave pairs of rows that do not count out, and make every row a positive of its own."""
    own = _own(positive.shape[1], rows, positive.device)
    if valid is not None:
        # A row that does not count keeps its own pair alone: its loss is exactly 0 and no gradient divides by 0.
        counts = valid[rows, None] & valid
        positive, negative = positive & counts, negative & counts
    return Pairs(positive | own, negative & ~own)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=-1, eps=1e-8)


def cosines(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of all rows of a [m, D] with all of b [M, D], [m, M]."""
    with torch.autocast(a.device.type, enabled=False):
        return _unit(a) @ _unit(b).T


def _contrast(logits: Tensor, pairs: Pairs, extra: Tensor | None = None) -> Tensor:
    """-log(sum over positives / sum over positives, negatives and extra negatives [m, K]) of each row, [m]."""
    among = logits.masked_fill(~(pairs.positive | pairs.negative), -torch.inf)
    right = logits.masked_fill(~pairs.positive, -torch.inf)
    if extra is not None:
        among = torch.cat([among, extra], dim=1)
    return torch.logsumexp(among, 1) - torch.logsumexp(right, 1)


def _mean(loss: Tensor, valid: Tensor | None, rows: slice) -> Tensor:
    """Mean over all M rows that count, of which `loss` [m] has this rank's part."""
    if valid is None:
        return loss.mean()
    weight = valid.to(loss.dtype)
    share = len(weight) / len(loss)
    return (loss * weight[rows]).sum() * share / weight.sum().clamp(min=1)
