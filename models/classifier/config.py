"""Sizes of a classifier on a video tower; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig

Backbone = VideoMAEConfig | VideoConfig | EncoderConfig | FrozenConfig
"""VideoMAE's encoder, the video tower of EgoVLP and EgoVLPv2, VideoPrism's encoder, an encoder of transformers"""

Head = Literal["mean", "cls", "map"]


@dataclass(frozen=True)
class ClassifierConfig:
    """A backbone, and what makes class scores of its tokens."""

    backbone: Backbone
    """sizes of the video tower; `start` gives those of the run or the weights that it names"""
    head: Head = "mean"
    """what is classified: the mean token, [CLS], or what one learned query reads of all tokens (a MAP head)"""
    head_channels: int = 64
    """map: channels of each head of the query's attention; a narrow backbone has one head"""
    dropout: float = 0.0
    """share of the channels that are dropped before the last layer, in training"""
    head_scale: float = 1.0
    """by what the head's first weights are multiplied: a small one begins with the same score for all classes"""
    drop_path: float = 0.0
    """videomae: share of the clips that the last block leaves out in training; earlier blocks leave out fewer"""
    frozen: bool = False
    """whether the head alone learns: a probe"""
