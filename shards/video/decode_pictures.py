"""Frames of a clip that is stored as one picture file per frame.

JPEG is decoded by libjpeg-turbo through simplejpeg, which writes into the clip's own memory, where it is installed;
else, and WebP always, by Pillow. The pixels are the same (tested); simplejpeg takes half the time.
"""

import io

import numpy as np
from PIL import Image

from egocurate.shards.video.decoder_protocol import DecodeError, check_size, first_line

try:
    import simplejpeg
except ImportError:
    simplejpeg = None

_JPEG = b"\xff\xd8"
_FORMATS = ("JPEG", "WEBP")  # Pillow would also start an interpreter for a file that says it is PostScript


def decode_pictures(files: list[bytes]) -> np.ndarray:
    """Return JPEG or WebP files of one size as uint8 [T, H, W, 3]; raises DecodeError."""
    pictures: np.ndarray | None = None
    for number, file in enumerate(files):
        picture = _opened(file)
        if pictures is None:
            pictures = np.empty((len(files), *picture.shape), np.uint8)
        if picture.shape != pictures.shape[1:]:
            raise DecodeError(f"frames of several sizes: {pictures.shape[1:3]}, {picture.shape[:2]}")
        picture.write(pictures[number])
    if pictures is None:
        raise DecodeError("a clip without pictures")
    return pictures


def picture_size(file: bytes) -> tuple[int, int]:
    """Return height and width of a JPEG or WebP file, which is not decoded; raises DecodeError."""
    return _opened(file).shape[:2]


def _opened(file: bytes) -> "_Jpeg | _Picture":
    return _Jpeg(file) if simplejpeg is not None and file.startswith(_JPEG) else _Picture(file)


class _Jpeg:
    """A JPEG file whose header has been read."""

    def __init__(self, file: bytes) -> None:
        self.file = file
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(file)
        except ValueError as error:
            raise DecodeError(f"libjpeg-turbo: {first_line(error)}") from error
        check_size(width, height)
        self.shape = (height, width, 3)

    def write(self, out: np.ndarray) -> None:
        try:
            simplejpeg.decode_jpeg(self.file, "RGB", buffer=out)
        except ValueError as error:
            raise DecodeError(f"libjpeg-turbo: {first_line(error)}") from error


class _Picture:
    """A JPEG or WebP file whose header has been read."""

    def __init__(self, file: bytes) -> None:
        try:
            self.image = Image.open(io.BytesIO(file), formats=_FORMATS)
        except (*_PILLOW_RAISES, Image.DecompressionBombError) as error:
            raise DecodeError(f"Pillow: {first_line(error)}") from error
        check_size(*self.image.size)
        self.shape = (self.image.height, self.image.width, 3)

    def write(self, out: np.ndarray) -> None:
        try:
            # Converting copies, even what is RGB already.
            out[:] = np.asarray(self.image if self.image.mode == "RGB" else self.image.convert("RGB"))
        except _PILLOW_RAISES as error:
            raise DecodeError(f"Pillow: {first_line(error)}") from error


# OSError for what is no picture or cut short, SyntaxError for some broken headers, ValueError for some sizes.
_PILLOW_RAISES = (OSError, SyntaxError, ValueError)
