"""What each kind of model is taught by: the numbers of its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from models.egovlpv2 import ObjectiveConfig
from models.losses import Positives, Undecided

__all__ = ["Contrast", "ObjectiveConfig"]


@dataclass(frozen=True)
class Contrast:
    """A contrastive loss on embeddings of texts and clips."""

    loss: Literal["egonce", "info_nce"] = "egonce"
    positives: Positives = "and"
    undecided: Undecided = "mask"
    temperature: float = 0.05
