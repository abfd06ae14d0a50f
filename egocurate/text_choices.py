"""Which text of a clip is asked for, and whose classes: the words for it, which are read without pyarrow."""

from __future__ import annotations

import math
from functools import cache
from typing import Literal

TextForm = Literal["normalized", "raw"]
"""Form of a narration: "opens the fridge", or as it was written, with its marks, "#C C opens the fridge"."""

TEXT_COLUMNS: dict[TextForm, str] = {"normalized": "text", "raw": "clip_text"}
"""The column of a clip table, an index and a question with each form."""

CAPTION_KINDS = ("human", "rephrased", "narrator", "caption")
"""Who wrote a caption: a person, a model that rephrased a person's, LaViLa's narrator, any other model."""

SWAP_KINDS = ("verb_swap", "noun_swap")
"""Texts that are wrong of a clip: its own with another verb, or with another noun. No clip is ever shown with one."""

STORED_KINDS = (*CAPTION_KINDS, *SWAP_KINDS)
"""What tables and shards keep beside a clip, in the order of the numbers that say so."""

HUMAN = CAPTION_KINDS.index("human")

FIRST, DRAW = "first", "draw"
CAPTION_CHOICES = (FIRST, DRAW, *CAPTION_KINDS)
"""Which of a clip's captions it is shown with: the first, one drawn by its weight, or one of a kind; several kinds are
written with their weights, human:1+narrator:0.5."""


_NEVER = (0.0,) * len(SWAP_KINDS)


@cache
def kind_weights(choice: str) -> tuple[float, ...]:
    """Return how often each of STORED_KINDS is drawn, if their captions are alike; `choice` is any but FIRST.

    A swap, which is wrong of its clip, never is. Raises ValueError for what is no choice.
    """
    if choice == DRAW:
        return (*(1.0 for _ in CAPTION_KINDS), *_NEVER)
    weights = dict.fromkeys(CAPTION_KINDS, 0.0)
    for part in choice.split("+"):
        kind, _, text = part.partition(":")
        weight = float(text or 1.0)
        if weights.get(kind) != 0 or not 0 < weight < math.inf:
            raise ValueError(f"{part!r} is no kind of caption with a weight above 0, or one that is there twice")
        weights[kind] = weight
    return (*weights.values(), *_NEVER)


OWN_TAGS = "own"
"""The name of the classes that the index of a folder has itself."""
