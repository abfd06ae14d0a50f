"""Draw the frames of a clip side by side under its narration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CAPTION_PX = 16


def draw_strip(frames: np.ndarray, caption: str, path: Path) -> None:
    """Write a PNG of `frames` (uint8 [T, 3, H, W]) in a row, with the caption above."""
    count, _, height, width = frames.shape
    picture = Image.new("RGB", (count * width, height + CAPTION_PX), "white")
    ImageDraw.Draw(picture).text((4, 2), caption, fill="black")
    for i, frame in enumerate(frames):
        picture.paste(Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))), (i * width, CAPTION_PX))
    picture.save(path)
