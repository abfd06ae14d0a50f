"""Probes: a frozen encoder, of whose tokens one layer of attention pooling and a linear layer learn labels.

`--set model.head=mean` makes a linear probe of each: a linear layer on the normalized mean of the tokens.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from egocurate.loaders.config import AUTO_WORKERS, StreamConfig
from egocurate.loaders.presets import PRESETS
from egocurate.models.classifier.config import Backbone, ClassifierConfig
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.recipes.egovlp import egovlp_tiny
from egocurate.training.config.recipes.videomae import videomae_base, videomae_tiny
from egocurate.training.config.recipes.videoprism import videoprism_stage2_tiny
from egocurate.training.config.train_config import TrainConfig

_UNKNOWN = FrozenConfig(source="", kind="")  # `start` names it


def egovlp_probe() -> TrainConfig:
    """Probe EgoVLP's video tower, or EgoVLPv2's, by VideoPrism's protocol; EgoVLP's authors publish no probe."""
    return _probe("egovlp", EgoVLPConfig.base().video, PRESETS["egovlp"])


def egovlp_probe_tiny() -> TrainConfig:
    """Probe the small EgoVLP, for the demo."""
    small = egovlp_tiny()
    return _tiny(_probe("egovlp", small.model.video, small.data))


def videomae_probe() -> TrainConfig:
    """Probe VideoMAE's encoder: B has 65.1 on Kinetics-400, 53.9 on Something-Something v2 (2402.13217, table 13)."""
    return _probe("videomae", videomae_base().model, PRESETS["videomae"])


def videomae_probe_tiny() -> TrainConfig:
    """Probe the small VideoMAE, for the demo."""
    small = videomae_tiny()
    return _tiny(_probe("videomae", small.model, small.data))


def videoprism_probe() -> TrainConfig:
    """Probe VideoPrism-B's encoder as its authors do (2402.13217, section 4.1): frozen, one layer of attention pooling.

    The rate is that of the release's example, which is without a schedule (Adam, 1e-4); steps, batch and augmentation
    are not published. The public weights of B have 82.9 on Kinetics-400 and 62.2 on Something-Something v2.
    """
    return _probe("videoprism", EncoderConfig.base(), PRESETS["videoprism-stage2"])


def videoprism_probe_tiny() -> TrainConfig:
    """Probe the small VideoPrism, for the demo."""
    small = videoprism_stage2_tiny()
    return _tiny(_probe("videoprism", small.model.encoder, small.data))


def encoder_probe() -> TrainConfig:
    """Probe an encoder of others, a folder of transformers with its weights: `start` names it, and gives its sizes."""
    return _probe("encoder", _UNKNOWN, PRESETS["videoprism-stage2"])


def encoder_probe_tiny() -> TrainConfig:
    """Probe an encoder of others with a few clips, for the demo."""
    return _tiny(_probe("encoder", _UNKNOWN, videomae_tiny().data))


def _probe(
    kind: Literal["egovlp", "videomae", "videoprism", "encoder"], backbone: Backbone, data: StreamConfig
) -> TrainConfig:
    return TrainConfig(
        system=f"{kind}-classifier",
        model=ClassifierConfig(backbone=backbone, head="map", frozen=True),
        objective=Classification(),
        data=replace(data, pick="segments-random", negatives=False, flip=False, workers=AUTO_WORKERS),
        batch_size=256,
        optimizer=OptimizerConfig(lr=1e-4, warmup_steps=100),
        epochs=20,
    )


def _tiny(probe: TrainConfig) -> TrainConfig:
    return replace(
        probe,
        data=replace(probe.data, workers=1),
        objective=Classification(test_segments=2),
        batch_size=32,
        optimizer=OptimizerConfig(lr=3e-3, final_lr=1e-5, warmup_steps=10, schedule="cosine", weight_decay=0.01),
        epochs=10,
        eval_every=100,
        checkpoint_every=100,
    )
