"""What each kind of model is taught by: the numbers of its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from egocurate.models.egovlpv2.config import ObjectiveConfig
from egocurate.models.losses.rules import Positives, Undecided

__all__ = [
    "Answering",
    "Classification",
    "Contrast",
    "Distillation",
    "LockedContrast",
    "MaxMargin",
    "NoLoss",
    "ObjectiveConfig",
    "PlainContrast",
    "Reconstruction",
]


@dataclass(frozen=True)
class Contrast:
    """A contrastive loss on embeddings of texts and clips."""

    loss: Literal["egonce", "info_nce", "egonce_plus"] = "egonce"
    """egonce_plus (2405.17719) also tells a clip's text from its text negatives, of which data.text_negatives come; so
    does egonce where some come"""
    positives: Positives = "and"
    """of egonce; the positives of egonce_plus share a noun"""
    undecided: Undecided = "mask"
    temperature: float = 0.05


@dataclass(frozen=True)
class MaxMargin:
    """The max-margin loss of multi-instance retrieval, and how its test ranks."""

    margin: float = 0.2
    """by how much a clip must be nearer to its text than to the others of the batch"""
    adaptive: bool = True
    """whether the margin is weighted by the relevancy of the clip's text"""
    above: float = 0.1
    """a clip's text is drawn from the sentences of higher relevancy than this; 1: it is its own narration"""
    dual_softmax: bool = False
    """whether the test gives figures after a dual softmax, too"""


@dataclass(frozen=True)
class Reconstruction:
    """VideoMAE's squared error; it has no settings: how much of a clip is hidden is the model's `mask_ratio`."""


@dataclass(frozen=True)
class NoLoss:
    """Nothing is learned: an encoder is used as others have trained it."""


@dataclass(frozen=True)
class PlainContrast:
    """VideoPrism's first stage: InfoNCE on clips of which a part is dropped."""

    temperature: float = 0.05
    """not published"""
    drop: float = 0.5
    """share of the places of a frame, the same in all its frames"""


@dataclass(frozen=True)
class LockedContrast(PlainContrast):
    """VideoPrism's texts after its second stage: InfoNCE on whole clips, the encoder as it is."""

    drop: float = 0.0
    encoder: str = ""
    """where the encoder is from: a run of the second stage, or weights"""
    towers: str = ""
    """where all else is from: a run of the first stage, or weights"""


@dataclass(frozen=True)
class Classification:
    """The cross entropy of classes, the sum over the kinds of labels."""

    labels: tuple[str, ...] = ()
    """kinds of labels that are learned; none named: all that the shards have"""
    smoothing: float = 0.0
    """share of the target that is spread over all classes"""
    repeats: int = 1
    """how often each clip of a batch is shown, augmented anew each time"""
    rand_augment: int = 0
    """operations of RandAugment, each of which happens half of the time"""
    magnitude: float = 7.0
    """of RandAugment's operations, up to 10"""
    erasing: float = 0.0
    """share of the clips in which a box is replaced by noise"""
    mixup: float = 0.0
    """a of Beta(a, a), of which the share is drawn by which two clips are mixed; 0: they are not"""
    cutmix: float = 0.0
    """the same for a box of one clip in the other; with mixup, either in half of the steps"""
    test_segments: int = 1
    """views of a test, one behind the other in time"""
    test_crops: int = 1
    """views of a test, one beside the other in the picture"""


@dataclass(frozen=True)
class Answering:
    """The cross entropy of the answers to questions about clips."""

    dropout: float = 0.2
    """share of the head's inner channels that are dropped in training"""
    head_only: bool = False
    """whether the head alone learns, on towers as `start` has them"""


@dataclass(frozen=True)
class Distillation:
    """VideoPrism's second stage: cosine distances of a student that sees a part of a clip to a teacher that sees it."""

    teacher: str = ""
    """a run of the first stage, its weights, or a folder of another encoder (docs/releases.md); read again where a run
    goes on, so name a step of it if it still trains"""
    mask: float = 0.65
    """share of the places of a frame that is hidden, the same in all its frames"""
