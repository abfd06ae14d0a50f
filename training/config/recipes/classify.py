"""Classifiers: video towers tuned to the labels of shards, or probed as they are."""

from __future__ import annotations

from dataclasses import replace

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.recipes.videomae import videomae_tiny
from egocurate.training.config.train_config import TrainConfig


def videomae_tune_tiny() -> TrainConfig:
    """Tune the small VideoMAE to labels, for the demo: from nothing, or from a run of it (`start`)."""
    pretraining = videomae_tiny()
    return TrainConfig(
        system="videomae-classifier",
        model=ClassifierConfig(backbone=pretraining.model),
        objective=Classification(test_segments=2),
        data=replace(pretraining.data, pick="segments-random"),
        batch_size=32,
        optimizer=OptimizerConfig(
            lr=1e-3, final_lr=1e-6, warmup_steps=20, schedule="cosine", weight_decay=0.05, clip_grad=1.0
        ),
        epochs=10,
        eval_every=100,
        checkpoint_every=100,
    )
