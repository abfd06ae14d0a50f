"""What can be trained, by name: a system is a model and the way from a batch to its losses."""

import torch

from egocurate.errors import InputError
from egocurate.loaders.clip_stream import Stream
from egocurate.models.undrawn import Undrawn
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.systems.answers import AnswerSystem
from egocurate.training.systems.base import System
from egocurate.training.systems.charades import CharadesSystem
from egocurate.training.systems.classifier import ClassifierSystem
from egocurate.training.systems.egovlp import EgoVLPSystem
from egocurate.training.systems.egovlpv2 import EgoVLPv2System
from egocurate.training.systems.retrieval import RetrievalSystem, RetrievalV2System
from egocurate.training.systems.state_changes import StateChangeSystem
from egocurate.training.systems.videomae import VideoMAESystem
from egocurate.training.systems.videoprism import DistillationSystem, LockedSystem, VideoPrismSystem

__all__ = ["SYSTEMS", "System", "build_system", "build_undrawn"]

SYSTEMS: dict[str, type[System]] = {
    "egovlp": EgoVLPSystem,
    "egovlpv2": EgoVLPv2System,
    "videomae": VideoMAESystem,
    **dict.fromkeys(
        (f"{name}-classifier" for name in ("videomae", "egovlp", "videoprism", "encoder")), ClassifierSystem
    ),
    "egovlp-retrieval": RetrievalSystem,
    "egovlpv2-retrieval": RetrievalV2System,
    "egovlp-charades": CharadesSystem,
    "egovlp-state-changes": StateChangeSystem,
    "egovlpv2-answers": AnswerSystem,
    "videoprism-stage1": VideoPrismSystem,
    "videoprism-stage2": DistillationSystem,
    "videoprism-lit": LockedSystem,
}


def build_system(config: TrainConfig, data: Stream | None, ranks: Ranks) -> System:
    """Return the config's system with first weights that its seed draws; raises InputError for what does not fit.

    data: what a tokenizer is made from, where the config names none; None for a run that has one.
    """
    if config.system not in SYSTEMS:
        raise InputError(f"system={config.system}: what can be trained is {', '.join(SYSTEMS)}")
    torch.manual_seed(config.data.seed)
    return SYSTEMS[config.system](config, data, ranks)


def build_undrawn(config: TrainConfig, ranks: Ranks) -> System:
    """Return `build_system` of a config whose weights are to be loaded next: zeros stand where it would draw them.

    Whoever calls this must refuse weights that are not whole.
    """
    with Undrawn():
        return build_system(config, None, ranks)
