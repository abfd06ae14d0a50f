"""Clips as VideoMAE sees them, and as it fills them in."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from egocurate.loaders.device import IMAGENET_MEAN, IMAGENET_STD
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.layers.patches import cubes, from_cubes, pick_tokens
from egocurate.models.videomae.model import VideoMAE, draw_mask
from egocurate.shards.read.index import ShardIndex
from egocurate.training.config.train_config import TrainConfig
from egocurate.training.systems.base import System

CLIPS, FRAMES = 4, 4
SIDE_PX, GAP_PX = 112, 2
TRIES = 5
HIDDEN = (22, 23, 27)


@dataclass(frozen=True)
class Restored:
    """A clip's frames (a data: URL): above as they are, then what the model sees, below what it makes of that."""

    image: str
    text: str
    key: str


@torch.no_grad()
def restored_clips(config: TrainConfig, system: System, index: ShardIndex) -> list[Restored]:
    """Return some clips from all over a shard folder, with the places hidden that seed 0 draws."""
    model, data = system.model, config.data
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.permutation(len(index))[: CLIPS * TRIES])
    clips = EvaluationClips(index, numbers, frames=data.frames, size=data.size, decoder=data.decoder)
    shown: list[Restored] = []
    for place, number in enumerate(numbers.tolist()):
        frames = clips[place]
        if isinstance(frames, str):
            continue
        rows = restore(model, system.pixels(frames[None]), torch.Generator().manual_seed(number))
        sample = index.row(number)
        shown.append(Restored(picture([_uint8(row[0]) for row in rows]), sample.clip_text, sample.key))
        if len(shown) == CLIPS:
            break
    return shown


def restore(model: VideoMAE, frames: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return normalized frames [B, T, 3, S, S], what is seen of them (the rest nan), and the hidden places filled in.

    The model predicts a cube less its mean, divided by its deviation; these two are the clip's own, as no model has
    them, so a picture tells what the model knows of shapes and not of brightness.
    """
    sizes = model.config
    visible, masked = draw_mask(sizes, torch.rand(len(frames), sizes.places, generator=generator))
    parts = cubes(frames, sizes.tubelet, sizes.patch)
    hidden = pick_tokens(parts, masked)
    guess = model.predict(parts, visible, masked).view_as(hidden).to(hidden.dtype)
    guess = guess * hidden.std(dim=2, keepdim=True) + hidden.mean(dim=2, keepdim=True)
    where = masked[..., None, None].expand_as(hidden)
    views = (parts, parts.scatter(1, where, torch.nan), parts.scatter(1, where, guess))
    return tuple(from_cubes(view, sizes.tubelet, sizes.patch, sizes.image) for view in views)


def picture(rows: list[np.ndarray]) -> str:
    """Return a data: URL of rows of frames uint8 [T, S, S, 3], FRAMES of each, evenly spaced."""
    columns = min(FRAMES, len(rows[0]))
    step = SIDE_PX + GAP_PX
    film = Image.new("RGB", (columns * step - GAP_PX, len(rows) * step - GAP_PX), HIDDEN)
    for row, frames in enumerate(rows):
        for column in range(columns):
            frame = Image.fromarray(frames[(2 * column + 1) * len(frames) // (2 * columns)])
            film.paste(frame.resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC), (column * step, row * step))
    jpeg = io.BytesIO()
    film.save(jpeg, "JPEG", quality=80, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.getvalue()).decode()


def _uint8(frames: Tensor) -> np.ndarray:
    """Turn normalized frames [T, 3, S, S] into uint8 [T, S, S, 3]; what is not seen has the color of unexposed film."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = ((frames * std + mean) * 255).clamp(0, 255)
    pixels = torch.where(frames.isnan(), torch.tensor(HIDDEN, dtype=pixels.dtype).view(3, 1, 1), pixels)
    return pixels.round().byte().permute(0, 2, 3, 1).numpy()
