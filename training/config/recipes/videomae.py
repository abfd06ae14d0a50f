"""VideoMAE (2203.12602)."""

from __future__ import annotations

from dataclasses import replace

from egocurate.loaders.config import AUTO_WORKERS
from egocurate.loaders.presets import PRESETS
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.training.config.loss_configs import Reconstruction
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.config.train_config import TrainConfig

_BATCH = 1024  # the paper's; the released scripts have 2048
_SCALE = _BATCH / 256  # what the published rates are multiplied by: of another batch_size set optimizer.lr too


def videomae_base() -> TrainConfig:
    """VideoMAE-B's pre-training (2203.12602, section 7): batches of 1024, 800 epochs, nine tenths hidden, no text.

    Paper and released code differ in the batch (1024, 2048; the rates go with it) and in mirroring (on Kinetics, never;
    here never). Its 800 epochs are of 169 or 240 thousand clips: of millions fewer will do (`epochs`, `max_steps`).
    """
    return TrainConfig(
        system="videomae",
        model=VideoMAEConfig.base(),
        objective=Reconstruction(),
        data=replace(PRESETS["videomae"], workers=AUTO_WORKERS),
        batch_size=_BATCH,
        optimizer=OptimizerConfig(
            lr=1.5e-4 * _SCALE,
            final_lr=1e-5 * _SCALE,
            warmup_epochs=40,
            schedule="cosine",
            weight_decay=0.05,
            beta2=0.95,
            eps=1e-8,  # torch's own: none is published
        ),
        epochs=800,
        compile=True,
    )


def videomae_tiny() -> TrainConfig:
    """A small VideoMAE from nothing, for the demo: a minute or two on two CPU cores.

    Large cubes, of which a quarter is seen: those of a small picture's ground alone are noise.
    """
    model = VideoMAEConfig(
        image=64,
        patch=16,
        frames=4,
        width=96,
        depth=4,
        heads=4,
        decoder_width=96,
        decoder_depth=2,
        decoder_heads=4,
        mask_ratio=0.75,
    )
    return TrainConfig(
        system="videomae",
        model=model,
        objective=Reconstruction(),
        data=replace(PRESETS["videomae"], frames=4, size=64, scale=(0.7, 1.0), workers=1),
        batch_size=64,
        optimizer=OptimizerConfig(
            lr=3e-3, final_lr=1e-5, warmup_steps=20, schedule="cosine", weight_decay=0.05, beta2=0.95
        ),
        epochs=12,
        eval_every=100,
        checkpoint_every=100,
    )
