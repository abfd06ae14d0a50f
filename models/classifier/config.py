"""Sizes of a classifier on a video tower; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from egocurate.models.layers.configs import VideoConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig

Backbone = VideoMAEConfig | VideoConfig | EncoderConfig
"""VideoMAE's encoder, the video tower of EgoVLP and EgoVLPv2, VideoPrism's encoder"""

Head = Literal["mean", "cls", "map"]


@dataclass(frozen=True)
class ClassifierConfig:
    """A backbone, and what makes class scores of its tokens."""

    backbone: Backbone
    """sizes of the video tower; `start` gives those of the run or the weights that it names"""
    head: Head = "mean"
    """what is classified: the mean token, [CLS], or what one learned query reads of all tokens (a MAP head)"""
    heads: int = 12
    """map: heads of the query's attention"""
    dropout: float = 0.0
    """share of the channels that are dropped before the last layer, in training"""
    frozen: bool = False
    """whether the head alone learns: a probe"""
