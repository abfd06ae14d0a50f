"""Accuracy of the swap quiz, as EgoHOIBench counts it (EgoNCE++, 2405.17719)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def swap_quiz_accuracy(
    right: np.ndarray, verb_swaps: Sequence[np.ndarray], noun_swaps: Sequence[np.ndarray]
) -> dict[str, float]:
    """Return the percentage of clips that are nearer to their text than to any swap: "verb", "noun", "both".

    right: float [Q], the score of each clip with its text; verb_swaps, noun_swaps: of each clip float [K], its scores
    with the swaps of a kind. "both" is EgoHOIBench's action accuracy. A score that equals the right one, or is not a
    number, answers wrong.
    """
    verb, noun = (
        np.array([bool((score > of_clip).all()) for score, of_clip in zip(right, swaps, strict=True)])
        for swaps in (verb_swaps, noun_swaps)
    )
    return {
        name: 100 * float(is_right.mean()) for name, is_right in (("verb", verb), ("noun", noun), ("both", verb & noun))
    }
