"""What a training run depends on; the recipes in `training.recipes` fill it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loaders import StreamConfig
from models.egovlp import EgoVLPConfig
from models.optimiser import OptimiserConfig
from training.objectives import Contrast


@dataclass(frozen=True)
class TrainConfig:
    """All that a run depends on; a recipe is a function that returns one."""

    system: str
    """what is trained, a name of `training.systems.SYSTEMS`"""
    model: EgoVLPConfig
    """sizes, of the kind that the system has"""
    objective: Contrast
    """the loss, of the kind that the system has"""
    data: StreamConfig
    """what a clip shows, the seed of the order, of augmentation and of the first weights, and how clips are read"""

    # what it reads and writes
    shards: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    """shares of several shard folders; default their numbers of clips"""
    mcq_json: str = ""
    mcq_shards: str = ""
    out: str = ""

    # where it starts
    video_weights: str = ""
    """image ViT for the video tower to start from: file or hub name"""
    tokenizer: str = ""
    """hub name or folder; without one it is made from the narrations"""
    max_tokens: int = 32

    # steps
    batch_size: int = 512
    """anchors of all ranks together; negatives come on top"""
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    epochs: int = 10
    max_steps: int = 0
    """0: as many as the epochs have"""

    # run
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU"""
    compile: bool = False
    headspace: bool = False
    """the first batches over and over: what the trainer could do were data free"""
    eval_every: int = 1000
    """steps"""
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2
    log_every: int = 20


MAY_CHANGE = (
    *("shards", "mcq_json", "mcq_shards", "out", "headspace", "device", "compile"),
    *("data.decoder", "data.workers", "data.cache_dir", "data.cache_bytes", "data.stall_sec", "data.max_bad"),
    *("eval_every", "checkpoint_every", "keep_checkpoints", "log_every"),
)
"""Keys that a resumed run may have otherwise: they leave what is learned alone (the stream checks the data itself)."""
