"""Encoders that others have trained, as a model to use: their settings are their own, there is no recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from egocurate.loaders.config import StreamConfig
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.frozen.folder import read_pixels
from egocurate.models.frozen.hub_encoder import sizes_of
from egocurate.models.frozen.kinds import KINDS
from egocurate.training.config.loss_configs import NoLoss
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.train_config import TrainConfig

FROZEN = "frozen"


def read_frozen(model: FrozenConfig, settings: Sequence[str]) -> TrainConfig:
    """Return the settings that an encoder is used with, its own sizes and tokenizer, changed by `key=value` settings.

    Raises InputError, one line, for a folder that says what cannot be.
    """
    sizes = sizes_of(model)
    size = read_pixels(Path(model.source), KINDS[model.kind].pixels).size if sizes.any_size else 0
    config = TrainConfig(
        system=FROZEN,
        model=model,
        objective=NoLoss(),
        data=StreamConfig(frames=sizes.frames, size=size or sizes.image),
        tokenizer=model.source if sizes.text_tokens else "",
        max_tokens=max(1, sizes.text_tokens),
    )
    for setting in settings:
        config = with_setting(config, setting)
    return config
