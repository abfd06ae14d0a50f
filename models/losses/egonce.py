"""EgoNCE (EgoVLP, 2206.01670): a contrast in which rows that share verb and noun are positives of each other."""

from __future__ import annotations

from torch import Tensor

from egocurate.models.losses.cosines import altered_logits, contrast, cosines, mean_over_rows
from egocurate.models.losses.pairs import ALL_ROWS, egonce_pairs
from egocurate.models.losses.rules import Positives, Undecided


def egonce(
    text: Tensor,
    video: Tensor,
    verbs: Tensor,
    nouns: Tensor,
    valid: Tensor | None = None,
    altered: Tensor | None = None,
    altered_valid: Tensor | None = None,
    *,
    temperature: float = 0.05,
    positives: Positives = "and",
    undecided: Undecided = "mask",
    rows: slice = ALL_ROWS,
) -> Tensor:
    """EgoNCE (2206.01670, eq. 5): -mean_i log(sum over i's positives / sum over all), both directions added.

    text, video: [M, D], anchors and their hard negatives alike; verbs [M, V] and nouns [M, N]: bool, one per class;
    valid [M]: rows that count, as rows and as columns (default all). A hard negative that shares the anchor's tags is a
    positive like any other row. Undecided pairs (see `tag_pairs`) are left out of both sums; "negative" is the
    published treatment, which pushes them apart. altered [M, K, D]: texts that are wrong of each clip, which stand in
    the sum over all of that clip's texts, as in EgoNCE++; those that count are True in altered_valid [M, K].
    """
    pairs = egonce_pairs(verbs, nouns, valid, positives=positives, undecided=undecided, rows=rows)
    wrong = None if altered is None else altered_logits(video, altered, altered_valid, rows, temperature)
    loss = contrast(cosines(text[rows], video) / temperature, pairs)
    loss = loss + contrast(cosines(video[rows], text) / temperature, pairs, wrong)
    return mean_over_rows(loss, valid, rows)
