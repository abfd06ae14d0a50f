"""Draw the frames of a clip side by side, as on a strip of film."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

CAPTION_PX = 16
STRIP_HEIGHT, STRIP_WIDTH = 92, 600  # pixels of a frame's height; about the width of a strip
GAP_PX = 2
JPEG_QUALITY = 66
FILM = (22, 23, 27)


def draw_strip(frames: np.ndarray, times: Sequence[float], caption: str, path: Path) -> None:
    """Write a PNG of `frames` (uint8 [T, H, W, 3]) in a row: the caption above, the second of each below it."""
    count, height, width, _ = frames.shape
    picture = Image.new("RGB", (count * width, height + 2 * CAPTION_PX), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((4, 2), caption, fill="black")
    for i, (frame, time) in enumerate(zip(frames, times, strict=True)):
        picture.paste(Image.fromarray(frame), (i * width, CAPTION_PX))
        draw.text((i * width + 4, height + CAPTION_PX + 2), f"{time:.2f} s", fill="black")
    picture.save(path)


def strip_jpeg(frames: np.ndarray) -> bytes:
    """Return a JPEG of some of a clip's frames, evenly spaced over all of it: three to six by their shape.

    frames: uint8 [T, H, W, 3], from the clip's beginning to its end. The strip of a clip that has fewer ends in
    unexposed film, so that frames of all strips are of one size.
    """
    _, frame_height, frame_width, _ = frames.shape
    width = max(round(frame_width * STRIP_HEIGHT / frame_height), 1)
    places = min(max(round(STRIP_WIDTH / width), 3), 6)
    count = min(places, len(frames))
    strip = Image.new("RGB", (places * (width + GAP_PX) - GAP_PX, STRIP_HEIGHT), FILM)
    for i in range(count):
        frame = Image.fromarray(frames[(2 * i + 1) * len(frames) // (2 * count)])
        strip.paste(frame.resize((width, STRIP_HEIGHT), Image.Resampling.LANCZOS), (i * (width + GAP_PX), 0))
    jpeg = io.BytesIO()
    strip.save(jpeg, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return jpeg.getvalue()
