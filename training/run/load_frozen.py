"""Encoders that others have trained, as a model to use: their settings are their own, there is no recipe."""

from __future__ import annotations

from collections.abc import Sequence

from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig
from egocurate.models.frozen.build import own_sizes, own_tokenizer
from egocurate.models.frozen.config import FrozenConfig
from egocurate.training.config.loss_configs import NoLoss
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.train_config import TrainConfig

FROZEN = "frozen"


def read_frozen(model: FrozenConfig, settings: Sequence[str]) -> TrainConfig:
    """Return the settings that an encoder is used with, its own sizes and tokenizer, changed by `key=value` settings.

    Raises InputError, one line, for a folder that says what cannot be.
    """
    sizes, size = own_sizes(model)
    config = TrainConfig(
        system=FROZEN,
        model=model,
        objective=NoLoss(),
        data=StreamConfig(frames=sizes.frames, size=size),
        tokenizer=own_tokenizer(model) if sizes.text_tokens else "",
        max_tokens=max(1, sizes.text_tokens),
    )
    for setting in settings:
        config = with_setting(config, setting)
    if sizes.text_tokens and not config.tokenizer:
        raise InputError(f"weights {model.source!r} have learned texts: name their tokenizer, tokenizer=FOLDER")
    return config
