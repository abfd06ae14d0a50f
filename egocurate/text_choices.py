"""Which text of a clip is asked for, and whose classes: the words for it, which are read without pyarrow."""

from __future__ import annotations

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
"""Which of a clip's captions it is shown with: the first, one drawn by its weight, or one of a kind."""

OWN_TAGS = "own"
"""The name of the classes that the index of a folder has itself."""
