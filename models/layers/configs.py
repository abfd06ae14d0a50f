"""Sizes of towers; to read and change them torch is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SIZES_ALONE = ".json"
"""how a `pretrained` ends that is a file of transformers' sizes, without weights: such as a run keeps"""


@dataclass(frozen=True)
class VideoConfig:
    """Sizes of the video tower; the defaults are ViT-B/16 on 224 pixels."""

    image: int = 224
    patch: int = 16
    max_frames: int = 4
    width: int = 768
    depth: int = 12
    heads: int = 12
    time_init: Literal["proj", "published"] = "proj"
    attention: Literal["divided", "joint"] = "divided"
    """joint: every token sees every token, one attention a block; 17 % fewer multiply-adds than divided at 4 frames"""
    eps: float = 1e-6
    """of every LayerNorm; EgoVLPv2 and CLIP have 1e-5"""
    style: Literal["vit", "clip"] = "vit"
    """clip: a LayerNorm before the first block and QuickGELU, as CLIP's image towers have (2103.00020)"""


@dataclass(frozen=True)
class TextConfig:
    """Sizes of the text tower (default distilbert-base); `pretrained`, a hub name or folder, brings its own instead."""

    pretrained: str = ""
    vocab: int = 30522
    width: int = 768
    depth: int = 6
    heads: int = 12
    max_tokens: int = 512
    dropout: float = 0.1


@dataclass(frozen=True)
class RobertaTextConfig:
    """Sizes of the text tower (default roberta-base); `pretrained`, a hub name or folder, brings its own instead."""

    pretrained: str = ""
    vocab: int = 50265
    width: int = 768
    depth: int = 12
    heads: int = 12
    max_tokens: int = 512
    dropout: float = 0.1
