"""VideoPrism (2402.13217): contrast with texts, distillation from that, texts for what came out."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.videoprism.config import (
    DecoderConfig,
    DistillationConfig,
    EncoderConfig,
    PrismTextConfig,
    VideoPrismConfig,
)
from egocurate.training.config.loss_configs import Distillation, LockedContrast, PlainContrast
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.train_config import TrainConfig

_ENDLESS = 10**6  # epochs: the steps are what is published
# Table 10; the text has a rate of 1e-4 for this size. The published Adafactor's other settings are not known: torch's
# steps are relative to a parameter's own size.
_STAGE1 = OptimizerConfig(kind="adafactor", lr=5e-4, warmup_steps=20_000, schedule="linear", weight_decay=1e-4)
_STAGE2 = OptimizerConfig(
    kind="adafactor", lr=5e-4, final_lr=1e-5, warmup_steps=25_000, schedule="cosine", weight_decay=0.05
)


def videoprism_stage1_base() -> TrainConfig:
    """VideoPrism-B's first stage (2402.13217, 3.2): 4096 pairs, 16 frames of which half the places drop, 200 k steps.

    Left out: pictures as clips of one frame (WebLI), data sets in turn step by step, and CoCa's weights to start from,
    which are not public; `start` takes others, such as google/videoprism-lvt-base-f16r288. The temperature is not
    published. Its 32 k pieces of text are made from the narrations unless `tokenizer` names some; weights that have
    learned texts need theirs. The GPU's memory says how many clips go at once.
    """
    return TrainConfig(
        system="videoprism-stage1",
        model=VideoPrismConfig.base(),
        objective=PlainContrast(),
        data=replace(PRESETS["videoprism-stage1"], workers=AUTO_WORKERS),
        max_tokens=64,
        batch_size=4096,
        optimizer=_STAGE1,
        epochs=_ENDLESS,
        max_steps=200_000,
        compile=True,
    )


def videoprism_stage2_base() -> TrainConfig:
    """VideoPrism-B's second stage (section 3.3): set objective.teacher to a run of the first; 65 % hidden, 300 k steps.

    Videos alone; texts of the shards are not read. The GPU's memory says how many clips go at once.
    """
    return TrainConfig(
        system="videoprism-stage2",
        model=DistillationConfig(),
        objective=Distillation(),
        data=replace(PRESETS["videoprism-stage2"], workers=AUTO_WORKERS),
        batch_size=4096,
        optimizer=_STAGE2,
        epochs=_ENDLESS,
        max_steps=300_000,
        compile=True,
    )


def videoprism_lit_base() -> TrainConfig:
    """VideoPrism-B's texts for the second stage's encoder: set objective.encoder (stage 2) and objective.towers (1).

    On the first stage's data. The rest is not published: optimizer and steps are the first stage's, clips are whole.
    """
    return replace(
        videoprism_stage1_base(),
        system="videoprism-lit",
        objective=LockedContrast(),
        data=replace(PRESETS["videoprism-lit"], workers=AUTO_WORKERS),
    )


_ENCODER = EncoderConfig(image=64, patch=16, frames=4, width=96, depth=3, time_depth=1, heads=4, hidden=384)
_TEXT = PrismTextConfig(vocab=2048, width=96, depth=2, heads=4, hidden=384, max_tokens=32)


def videoprism_stage1_tiny() -> TrainConfig:
    """A small first stage from nothing, for the demo: a minute or two on two CPU cores."""
    return TrainConfig(
        system="videoprism-stage1",
        model=VideoPrismConfig(_ENCODER, _TEXT, auxiliary_depth=1),
        objective=PlainContrast(),
        data=replace(PRESETS["videoprism-stage1"], frames=4, size=64, scale=(0.7, 1.0), workers=1),
        batch_size=64,
        optimizer=OptimizerConfig(
            lr=1e-3, warmup_steps=20, schedule="cosine", weight_decay=0.05, beta2=0.98, clip_grad=1.0
        ),
        epochs=10,
        eval_every=100,
        checkpoint_every=100,
    )


def videoprism_stage2_tiny() -> TrainConfig:
    """A small second stage, for the demo: set objective.teacher to a run of the small first one."""
    tiny = videoprism_stage1_tiny()
    return replace(
        tiny,
        system="videoprism-stage2",
        model=DistillationConfig(_ENCODER, DecoderConfig(64, depth=2, heads=4, hidden=256), auxiliary_depth=1),
        objective=Distillation(),
        batch_size=32,
        epochs=4,
    )


def videoprism_lit_tiny() -> TrainConfig:
    """A small tuning of texts, for the demo: set objective.encoder and objective.towers to runs of the small stages."""
    tiny = videoprism_stage1_tiny()
    return replace(tiny, system="videoprism-lit", objective=LockedContrast(), epochs=6)
