"""EgoVLPv2 tuned to questions about clips: EgoTaskQA."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.training.config.loss_configs import Answering
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.recipes.egovlpv2 import egovlpv2_tiny
from egocurate.training.config.train_config import TrainConfig


def egovlpv2_egotaskqa() -> TrainConfig:
    """EgoVLPv2 tuned to EgoTaskQA (2307.05463, section 4): 36 epochs, 16 frames, 2e-4 on the direct split.

    On the indirect split the rate is 1e-4: `--set optimizer.lr=1e-4`. Rates and 64 clips, 8 on each of 8 GPUs, a tenth
    of warm-up, the cosine to zero and AdamW's own weight decay are the release's. Its frames are cropped as in a test
    while training, too: so is nothing mirrored here, as left and right may be asked for, and little cut off.
    """
    return TrainConfig(
        system="egovlpv2-answers",
        model=EgoVLPv2Config.base(),
        objective=Answering(),
        data=replace(
            PRESETS["egovlpv2"],
            frames=16,
            negatives=False,
            text="raw",
            flip=False,
            scale=(0.9, 1.0),
            workers=AUTO_WORKERS,
        ),
        tokenizer="roberta-base",
        max_tokens=30,
        batch_size=64,
        optimizer=OptimizerConfig(lr=2e-4, warmup_epochs=3.6, schedule="cosine", final_lr=0.0, weight_decay=0.01),
        epochs=36,
        compile=True,
    )


def egovlpv2_egotaskqa_tiny() -> TrainConfig:
    """The same of the small EgoVLPv2, for the demo: from nothing, or from a run of it (`start`)."""
    pretraining = egovlpv2_tiny()
    return replace(
        pretraining,
        system="egovlpv2-answers",
        objective=Answering(),
        data=replace(pretraining.data, negatives=False, text="raw", flip=False),
        max_tokens=30,
        optimizer=replace(pretraining.optimizer, lr=1e-3, final_lr=1e-6),
        epochs=20,
        eval_every=100,
        checkpoint_every=100,
        mcq_mode="dual",
    )
