"""Around the training loop: configs and recipes, and the run with its ranks, log and checkpoints."""

from typing import TYPE_CHECKING

from egocurate.lazy_face import attach

if TYPE_CHECKING:
    from egocurate.training.config.recipes import RECIPES as RECIPES
    from egocurate.training.config.train_config import TrainConfig as TrainConfig
else:
    __getattr__, __dir__, __all__ = attach(
        __name__,
        {
            "RECIPES": "egocurate.training.config.recipes",
            "TrainConfig": "egocurate.training.config.train_config",
        },
    )
