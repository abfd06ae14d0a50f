"""What a training run depends on; the recipes in `training.config.recipes` fill it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from egocurate.loaders.config import StreamConfig
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import DistillationConfig, VideoPrismConfig
from egocurate.training.config.loss_configs import (
    Answering,
    Classification,
    Contrast,
    Distillation,
    LockedContrast,
    MaxMargin,
    NoLoss,
    ObjectiveConfig,
    PlainContrast,
    Reconstruction,
)
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.ranges import check_ranges

AnyModel = (
    EgoVLPConfig
    | EgoVLPv2Config
    | VideoMAEConfig
    | VideoPrismConfig
    | DistillationConfig
    | ClassifierConfig
    | FrozenConfig
)
AnyObjective = (
    Contrast
    | ObjectiveConfig
    | Reconstruction
    | PlainContrast
    | Distillation
    | LockedContrast
    | Classification
    | Answering
    | MaxMargin
    | NoLoss
)


@dataclass(frozen=True)
class TrainConfig:
    """All that a run depends on; a recipe is a function that returns one."""

    system: str
    """what is trained, a name of `training.systems.SYSTEMS`"""
    model: AnyModel
    """sizes, of the kind that the system has"""
    objective: AnyObjective
    """the loss, of the kind that the system has"""
    data: StreamConfig
    """what a clip shows, the seed of the order, of augmentation and of the first weights, and how clips are read"""

    # what it reads and writes
    shards: tuple[str, ...] = ()
    """folders of tar shards to learn from"""
    weights: tuple[float, ...] = ()
    """shares of several shard folders; default their numbers of clips"""
    mcq_json: str = ""
    """EgoMCQ's questions; without them nothing is evaluated"""
    mcq_shards: str = ""
    """folder of shards with the clips of the questions"""
    swap_quiz: str = ""
    """questions which text is right of a clip, its own or one with another verb or noun, about clips of mcq_shards"""
    test_shards: str = ""
    """folder of shards on which a task that the model is tuned for is tested; without it there is no test"""
    annotations: str = ""
    """folder or file of the annotations that the task is published with, where shards do not carry all of them"""
    out: str = ""
    """folder of the run"""

    # where it starts
    start: str = ""
    """another run's folder, or a file or hub name of weights, to begin with as far as they fit"""
    video_weights: str = ""
    """image ViT for the video tower to start from: file or hub name"""
    tokenizer: str = ""
    """hub name or folder; without one it is made from the narrations"""
    max_tokens: int = 32
    """longest text, in tokens; the rest of a longer one is cut off"""

    # steps
    batch_size: int = 512
    """anchors of all ranks together; negatives come on top"""
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int = 10
    """how often all clips are learned from"""
    max_steps: int = 0
    """0: as many as the epochs have"""

    # run
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: a GPU if there is one"""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 on a GPU that has it (from Ampere on), else fp32"""
    compile: bool = False
    """torch.compile the model: a slow first step, faster ones after it"""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """many ranks: each keeps all of the model and of the optimizer's state, or a part of them"""
    activation_checkpointing: bool = False
    """work layers out again in the backward pass in place of keeping what is in them: less memory, a third more time"""
    micro_batches: int = 0
    """parts in which a rank's batch goes through the model, for the whole batch's gradient in the memory of a part;
    0: as few as the GPU's memory takes, with activation_checkpointing if it must be; one on a CPU"""
    headspace: bool = False
    """the first batches over and over: what the trainer could do were data free"""
    eval_every: int = 1000
    """steps from one evaluation to the next"""
    checkpoint_every: int = 1000
    """steps from one checkpoint to the next"""
    keep_checkpoints: int = 2
    """how many of the newest stay on the disk"""
    log_every: int = 20
    """steps from one line of figures to the next"""
    eval_batch: int = 0
    """clips that go through the model at once where it is evaluated or gives features; 0: those that fit in memory"""
    mcq_mode: Literal["dual", "fused", "ensemble"] = "dual"
    """what EgoMCQ is answered by: the cosine, the probability of a pair fused, or their sum"""

    def __post_init__(self) -> None:
        """Raise InputError for a number that is out of its range."""
        check_ranges(self)


MAY_CHANGE = (
    *("shards", "mcq_json", "mcq_shards", "swap_quiz", "test_shards", "annotations", "out", "headspace", "device"),
    *("compile", "parallel", "activation_checkpointing", "micro_batches"),
    *(
        "data.decode",
        "data.decoder",
        "data.workers",
        "data.cache_dir",
        "data.cache_bytes",
        "data.stall_sec",
        "data.max_bad",
    ),
    *("eval_every", "checkpoint_every", "keep_checkpoints", "log_every", "eval_batch", "mcq_mode"),
)
"""Keys that a resumed run may have otherwise: they leave what is learned alone (the stream checks the data itself)."""
