"""Draw what VideoMAE makes of a clip: its frames, what is hidden of them, and how that is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from egocurate.commands.report.film_strip import CAPTION_PX
from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.device import IMAGENET_MEAN, IMAGENET_STD
from egocurate.loaders.frame_sampling import uniform
from egocurate.models.videomae.model import draw_mask
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import BadSample, read_frames
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.systems.videomae import VideoMAESystem

LEAST_PX = 128


def draw_reconstruction(run: Path, index: ShardIndex, number: int, path: Path) -> None:
    """Write a PNG of a clip as a run of VideoMAE sees it; raises InputError for another run, or a bad clip."""
    config = read_run(run, [])
    if config.system != "videomae":
        raise InputError(f"{run}: a run of {config.system}; only one of videomae fills in what is hidden")
    system, step = restore(config, Ranks(0, 1, torch.device("cpu"), False))
    rows = three_rows(system, seen_clip(index, number, config.data), number)
    hidden = f"what is hidden: {config.model.mask} mask, {config.model.mask_ratio:g} hidden, step {step:,}"
    write_rows(rows, ("frames", hidden, "filled in"), path)


def seen_clip(index: ShardIndex, number: int, data: StreamConfig) -> torch.Tensor:
    """Return a clip as a test shows it, uint8 [T, 3, S, S]; raises InputError for one that does not decode."""
    frames = read_frames(index, number, uniform(index.row(number).frame_count, data.frames))
    if isinstance(frames, BadSample):
        raise InputError(f"{index.folder}: {frames}")
    clip = torch.from_numpy(frames).movedim(-1, 1)
    return crop_and_resize(clip, center_view(*clip.shape[-2:]), data.size)


def three_rows(system: VideoMAESystem, clip: torch.Tensor, seed: int) -> np.ndarray:
    """Return a clip uint8 [T, 3, S, S] as its frames, as what is seen, and as filled in: uint8 [3, T, S, S, 3].

    The model sees a cube of frames at once, hidden or not as the seed draws it.
    """
    noise = torch.rand(1, system.sizes.mask_draws, generator=torch.Generator().manual_seed(seed))
    pixels = system.pixels(clip[None])
    gray, filled = system.model.fill_in(pixels, *draw_mask(system.sizes, noise))
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
    levels = (torch.stack([pixels[0], gray[0], filled[0]]) * std + mean) * 255
    return levels.round().clamp(0, 255).byte().movedim(2, -1).numpy()


def write_rows(rows: np.ndarray, captions: Sequence[str], path: Path) -> None:
    """Write rows of frames uint8 [R, T, S, S, 3] as a PNG, small ones enlarged, each row with its caption above it."""
    _, count, side, _, _ = rows.shape
    shown = side * max(1, -(-LEAST_PX // side))
    picture = Image.new("RGB", (count * shown, len(rows) * (shown + CAPTION_PX)), "white")
    draw = ImageDraw.Draw(picture)
    for row, (caption, frames) in enumerate(zip(captions, rows, strict=True)):
        top = row * (shown + CAPTION_PX)
        draw.text((4, top + 2), caption, fill="black")
        for place, frame in enumerate(frames):
            picture.paste(
                Image.fromarray(frame).resize((shown, shown), Image.Resampling.NEAREST),
                (place * shown, top + CAPTION_PX),
            )
    picture.save(path)
