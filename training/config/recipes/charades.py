"""EgoVLP tuned to the actions of Charades-Ego."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.recipes.egovlp import egovlp_tiny
from egocurate.training.config.train_config import TrainConfig


def egovlp_charades() -> TrainConfig:
    """EgoVLP tuned to Charades-Ego: 128 clips, 16 frames, 10 epochs, 1.5e-4 falling to 1e-7 after a tenth of warm-up.

    These are EgoVLPv2's numbers (2307.05463, appendix D), by EgoNCE, where clips of one class are positives; the cosine
    and the weight decay are its release's. That has InfoNCE (`objective.loss=info_nce`), 20 epochs, 1.5e-5 and 32
    frames. EgoVLP's has InfoNCE, 20 epochs, 16 frames, 32 clips, 3e-5 in the first epoch and 2e-4 from the second on.
    Both start from the weights of the first epoch of pre-training, for zero-shot mAP falls after it.
    """
    return TrainConfig(
        system="egovlp-charades",
        model=EgoVLPConfig.base(),
        objective=Contrast(),
        data=replace(PRESETS["egovlp"], frames=16, negatives=False, workers=AUTO_WORKERS),
        tokenizer="distilbert-base-uncased",
        batch_size=128,
        optimizer=OptimizerConfig(
            lr=1.5e-4, warmup_epochs=1, schedule="cosine", final_lr=1e-7, weight_decay=0.01, beta2=0.98, eps=1e-8
        ),
        epochs=10,
        compile=True,
    )


def egovlp_charades_tiny() -> TrainConfig:
    """The same of the small EgoVLP, for the demo: from nothing, or from a run of it (`start`)."""
    pretraining = egovlp_tiny()
    return replace(
        pretraining,
        system="egovlp-charades",
        data=replace(pretraining.data, negatives=False),
        optimizer=replace(pretraining.optimizer, warmup_steps=20, final_lr=1e-6),
        epochs=20,
    )
