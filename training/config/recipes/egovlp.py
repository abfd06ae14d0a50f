"""EgoVLP (2206.01670)."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.train_config import TrainConfig


def egovlp_base() -> TrainConfig:
    """EgoVLP's pre-training (2206.01670, section 6.1): 512 pairs, 4 frames, 10 epochs at a constant 3e-5.

    The released code reads a second rate, 2e-4, at the end of the first epoch and trains the other nine with it; the
    paper says 3e-5, and so does this recipe.
    """
    model = EgoVLPConfig.base()
    return TrainConfig(
        system="egovlp",
        model=replace(model, text=replace(model.text, pretrained="distilbert-base-uncased")),
        objective=Contrast(),
        data=replace(PRESETS["egovlp"], workers=AUTO_WORKERS),
        video_weights="timm/vit_base_patch16_224.orig_in21k_ft_in1k",
        tokenizer="distilbert-base-uncased",
        compile=True,
    )


def egovlp_tiny() -> TrainConfig:
    """A small EgoVLP from nothing, for the demo: minutes on two CPU cores."""
    return TrainConfig(
        system="egovlp",
        model=EgoVLPConfig.small(),
        objective=Contrast(),
        data=replace(PRESETS["egovlp"], size=64, scale=(0.7, 1.0), workers=1),
        batch_size=32,
        optimizer=OptimizerConfig(
            lr=1e-3, warmup_steps=50, schedule="cosine", weight_decay=0.05, beta2=0.98, clip_grad=1.0
        ),
        epochs=6,
        eval_every=100,
        checkpoint_every=100,
    )
