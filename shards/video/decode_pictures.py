"""Frames of a clip that is stored as one picture file per frame."""

import io

import numpy as np
from PIL import Image

from egocurate.shards.video.decoder_protocol import DecodeError, check_size, first_line

_FORMATS = ("JPEG", "WEBP")  # Pillow would also start an interpreter for a file that says it is PostScript


def decode_pictures(files: list[bytes]) -> np.ndarray:
    """Return JPEG or WebP files of one size as uint8 [T, H, W, 3]; raises DecodeError.

    Pillow alone: others that use libjpeg-turbo return the same pixels, and gain less than a third.
    """
    pictures: np.ndarray | None = None
    try:
        for number, file in enumerate(files):
            image = Image.open(io.BytesIO(file), formats=_FORMATS)
            check_size(*image.size)
            # Converting copies, even what is RGB already.
            picture = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
            if pictures is None:
                pictures = np.empty((len(files), *picture.shape), np.uint8)
            pictures[number] = picture
    # Pillow raises OSError for what is no picture or cut short, SyntaxError for some broken headers; ValueError: sizes.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DecodeError(f"Pillow: {first_line(error)}") from error
    if pictures is None:
        raise DecodeError("a clip without pictures")
    return pictures
