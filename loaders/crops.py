"""Crop, resize and flip of a clip's frames: one box for all its frames, drawn by the sample's generator."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from egocurate.loaders.order.counter_rng import below

ASPECT_RATIO = (3 / 4, 4 / 3)
_TRIES = 10


@dataclass(frozen=True)
class View:
    """The part of the frames that is shown (pixels of the stored frame), and whether it is mirrored."""

    top: int
    left: int
    height: int
    width: int
    flip: bool = False


def random_view(rng: np.random.Generator, height: int, width: int, *, scale: tuple[float, float], flip: bool) -> View:
    """Return a box of `scale` of the frame's area and an aspect ratio of 3/4 to 4/3, mirrored half of the time if flip.

    Area uniform, logarithm of the ratio uniform (Szegedy et al., "Going deeper with convolutions", CVPR 2015, §6).
    If ten draws do not fit into the frame, the largest centered box with an allowed ratio is taken.
    """
    mirrored = bool(rng.random() < 0.5) and flip
    low, high = np.log(ASPECT_RATIO)
    for _ in range(_TRIES):
        area = height * width * (scale[0] + (scale[1] - scale[0]) * rng.random())
        ratio = math.exp(low + (high - low) * rng.random())
        box_width = round(math.sqrt(area * ratio))
        box_height = round(math.sqrt(area / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            top = below(rng, height - box_height + 1)
            left = below(rng, width - box_width + 1)
            return View(top, left, box_height, box_width, mirrored)
    box_width = min(width, round(height * ASPECT_RATIO[1]))
    box_height = min(height, round(width / ASPECT_RATIO[0]))
    return View((height - box_height) // 2, (width - box_width) // 2, box_height, box_width, mirrored)


def center_view(height: int, width: int) -> View:
    """Return the centered square of the short side: what resizing the short side and cropping the center shows."""
    side = min(height, width)
    return View((height - side) // 2, (width - side) // 2, side, side)


def crop_and_resize(frames: torch.Tensor, view: View, size: int) -> torch.Tensor:
    """Return the view of uint8 frames [T, 3, H, W] resized to uint8 [T, 3, size, size], bilinear with antialiasing.

    PyTorch's integer arithmetic for uint8: eight times as fast as in float, at most one level from it, and the same for
    any number of threads.
    """
    part = frames[..., view.top : view.top + view.height, view.left : view.left + view.width]
    if part.shape[-2:] != (size, size):
        part = F.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
    return part.flip(-1) if view.flip else part
