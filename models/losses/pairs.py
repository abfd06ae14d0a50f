"""Which texts and clips of a batch belong together, which do not, and which nobody knows: by their verbs and nouns."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from egocurate.models.losses.rules import Positives, Undecided

ALL_ROWS = slice(None)


class Pairs(NamedTuple):
    """Which pairs [m, M] of rows belong together and which do not; the others are left out. A row's own pair does."""

    positive: Tensor
    negative: Tensor


def egonce_pairs(
    verbs: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    *,
    positives: Positives = "and",
    undecided: Undecided = "mask",
    rows: slice = ALL_ROWS,
) -> Pairs:
    """Return the pairs [m, M] that EgoNCE pulls together and pushes apart.

    verbs [M, V] and nouns [M, N]: bool, one per class; valid [M]: rows that count (default all).
    """
    positive, negative = tag_pairs(verbs, nouns, positives, rows)
    return counted_pairs(positive, ~positive if undecided == "negative" else negative, valid, rows)


def own_pairs_only(count: int, valid: Tensor | None, rows: slice, device: torch.device) -> Pairs:
    """Return the pairs [m, M] of InfoNCE: the only positive of a text is its own clip."""
    own = own_pair(count, rows, device)
    return counted_pairs(own, ~own, valid, rows)


def tag_pairs(verbs: Tensor, nouns: Tensor, positives: Positives, rows: slice = ALL_ROWS) -> tuple[Tensor, Tensor]:
    """Tell for every two rows whether the rule holds (positive) or fails (negative) [m, M]; undecided is neither.

    Two rows share a verb, or share none though both have some, or it is open because one of them has none; nouns
    likewise. "and" holds if both are shared and fails if either is known to differ; "or" holds if either is shared and
    fails if both are known to differ. So "walks" (no noun) is a negative of "cuts onion" and undecided against "walks
    to door", and a row without any tag has no negatives. Raises ValueError for a rule that is none of these.
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


def own_pair(count: int, rows: slice, device: torch.device) -> Tensor:
    """Return bool [m, M], True where a row meets itself."""
    places = torch.arange(count, device=device)
    return places[rows, None] == places


def counted_pairs(positive: Tensor, negative: Tensor, valid: Tensor | None, rows: slice) -> Pairs:
    """Leave out pairs of rows that do not count, and make every row a positive of its own."""
    own = own_pair(positive.shape[1], rows, positive.device)
    if valid is not None:
        # A row that does not count keeps its own pair alone: its loss is exactly 0 and no gradient divides by 0.
        both_count = valid[rows, None] & valid
        positive, negative = positive & both_count, negative & both_count
    return Pairs(positive | own, negative & ~own)


def _shared(tags: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Return pairs of rows [m, M] that share a tag, and pairs that share none though both have tags."""
    has_tags = tags.any(dim=1)
    tags = tags.float()
    same = tags[rows] @ tags.T > 0
    return same, has_tags[rows, None] & has_tags & ~same
