"""What a user chooses of a contrastive loss; to read it torch is not needed."""

from typing import Literal

Positives = Literal["and", "or", "noun", "verb"]
"""the tags that two rows must share to be a positive pair"""
Undecided = Literal["mask", "negative"]
"""what happens to pairs that a missing tag leaves open: left out, or pushed apart"""
