"""What a model's pixels went through, as the image code of others names it."""

from __future__ import annotations

from typing import Any

from egocurate.loaders.device import IMAGENET_MEAN, IMAGENET_STD
from egocurate.training.config.train_config import TrainConfig


def normalization(config: TrainConfig) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation, red, green, blue, of pixels in [0, 1] as the model reads them."""
    if config.system.startswith("videoprism"):
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return IMAGENET_MEAN, IMAGENET_STD


def preprocessor(config: TrainConfig, **kind: str) -> dict[str, Any]:
    """Return preprocessor_config.json's content: the middle square of each frame, resized and normalized."""
    mean, std = normalization(config)
    side = config.data.size
    return {
        **kind,
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": side},
        "resample": 2,  # bilinear, in Pillow's numbers
        "do_center_crop": True,
        "crop_size": {"height": side, "width": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": mean != (0.0, 0.0, 0.0),
        "image_mean": list(mean),
        "image_std": list(std),
        "do_sample_frames": False,
        "num_frames": config.data.frames,
    }
