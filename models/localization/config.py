"""Sizes of the models that find stretches of long videos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VSLNetConfig:
    """VSLNet's sizes (2004.13931), as EgoVLP trains it on Ego4D's NLQ, but for the width of its own words."""

    width: int = 128
    heads: int = 8
    dropout: float = 0.2
    kernel: int = 7
    """positions that a convolution of the encoder sees"""
    convolutions: int = 4
    highlight_weight: float = 5.0
    """of the loss of the highlighted stretch, beside that of its ends"""
    extend: float = 0.1
    """share of its length by which the highlighted stretch reaches beyond the answer, on both sides"""


@dataclass(frozen=True)
class DetectorConfig:
    """Sizes of the anchor-free detector, of ActionFormer's kind (2202.07925): a pyramid of places, two heads."""

    width: int = 128
    levels: int = 5
    """each has half the places of the one below"""
    blocks: int = 2
    """of the stem, at full length"""
    heads: int = 4
    window: int = 9
    """places that one attends to, itself in the middle"""
    dropout: float = 0.1
    center_radius: float = 1.5
    """places of a level around the middle of a moment that stand for it"""
    finest: float = 4.0
    """the lowest level finds moments whose ends are at most so many rows away, each further one twice as many"""


@dataclass(frozen=True)
class ShotRankerConfig:
    """Sizes of what ranks the shots of a summary, and how a video is divided, as EgoVLPv2 does (2307.05463)."""

    width: int = 768
    heads: int = 2
    layers: int = 1
    dropout: float = 0.1
    segments: int = 20
    """of a video at most, as long as its shots fit"""
    longest: int = 200
    """shots of a segment"""
    penalty: float = 1.0
    """of a change from segment to segment"""
    first_logit: float = -1.91
    """of each shot before anything is learned: 13 % belong to what is asked for"""
    cosine_scale: float = 10.0
    """of the cosine of shot and sentence, before anything is learned"""
