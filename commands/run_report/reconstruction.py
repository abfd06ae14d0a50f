"""Clips as VideoMAE sees them, and as it fills them in."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from egocurate.commands.report.reconstruction import three_rows
from egocurate.loaders.evaluation_clips import EvaluationClips
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
    data = config.data
    rng = np.random.default_rng(0)
    numbers = np.sort(rng.permutation(len(index))[: CLIPS * TRIES])
    clips = EvaluationClips(index, numbers, frames=data.frames, size=data.size, decoder=data.decoder)
    shown: list[Restored] = []
    for place, number in enumerate(numbers.tolist()):
        frames = clips[place]
        if isinstance(frames, str):
            continue
        sample = index.row(number)
        shown.append(Restored(picture(list(three_rows(system, frames, number))), sample.clip_text, sample.key))
        if len(shown) == CLIPS:
            break
    return shown


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
