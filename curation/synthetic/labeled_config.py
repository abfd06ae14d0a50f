"""How much labeled data is invented, and the draws that each of its videos has for itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import numpy as np

_FIRST_SEED = {"motions": 0, "epic": 100_000, "charades": 200_000, "ego4d": 300_000, "egotaskqa": 500_000}


@dataclass(frozen=True)
class LabeledRootConfig:
    """Size of the invented data: videos to `train` on and unseen `test` ones, short ones and long ones.

    A video of a motion lasts `motion_sec`, a clip of EgoTaskQA 3 s; the others last `video_sec`, and those of state
    changes hold whole windows of 8 s. In motions wall and table have smooth `spots` of so many sides of the picture;
    with 0 each pixel has a shade of its own, which nothing can tell from those around it.
    """

    train: int = 96
    test: int = 36
    long_train: int = 4
    long_test: int = 2
    motion_sec: float = 2.0
    video_sec: float = 32.0
    side: int = 96
    fps: int = 15
    spots: float = 0.0
    seed: int = 0


def video_seed(config: LabeledRootConfig, part: str, number: int) -> int:
    """Return the seed of the pictures of a video, by its number in a part of the data."""
    return _FIRST_SEED[part] + number + 1_000_000 * config.seed


def video_rng(config: LabeledRootConfig, part: str, number: int) -> np.random.Generator:
    """Return what draws the script of a video."""
    return np.random.default_rng((config.seed, _FIRST_SEED[part], number))


def video_uid(config: LabeledRootConfig, part: str, number: int) -> str:
    """Return a uid that is always the same for a video."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"egocurate-{part}/{config.seed}/{number}"))
