"""Pictures of a stored clip, broken or of another format: an error of one line, or pixels of the stated size."""

import io
from functools import partial
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from egocurate.errors import InputError
from egocurate.shards.video import decode_pictures as module
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError
from tests.fuzz.broken import broken_bytes
from tests.fuzz.harness import Target
from tests.shards.video.test_strange_videos import POSTSCRIPT

OTHERS = ("PNG", "GIF", "BMP", "TIFF", "ICO", "PPM", "TGA", "PCX", "JPEG2000", "PDF", "EPS", "ICNS", "SGI", "DDS")
TOKENS = (
    b"\xff\xd8",
    b"\xff\xda",
    b"\xff\xc0",
    b"\xff\xc2",
    b"\xff\xe1",
    b"RIFF",
    b"WEBPVP8X",
    b"Exif\0\0",
    b"\xff\xff\xff\xff",
)


def picture(kind, **options):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    image.convert(options.pop("mode", "RGB")).save(file, kind, **options)
    return file.getvalue()


def make(kind: str, by_simplejpeg: bool) -> Target:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a text"
    whole = [picture(kind, quality=70), picture(kind, quality=70, exif=exif), picture(kind, quality=90, mode="L")]
    if kind == "JPEG":
        whole += [picture(kind, progressive=True), picture(kind, mode="CMYK"), picture(kind, icc_profile=b"x" * 300)]
    else:
        whole += [picture(kind, lossless=True), picture(kind, mode="RGBA"), animation()]

    def read(data):
        try:
            with mock.patch.object(module, "simplejpeg", module.simplejpeg if by_simplejpeg else None):
                return decode_pictures([data, data])
        except DecodeError as error:
            raise InputError(str(error)) from error

    def right(data, pixels):
        with Image.open(io.BytesIO(data), formats=["JPEG", "WEBP"]) as image:
            return pixels.shape == (2, image.height, image.width, 3) and np.array_equal(*pixels)

    name = f"{kind} pictures{', Pillow' if kind == 'JPEG' and not by_simplejpeg else ''}"
    return Target(name, whole, lambda rng, data: broken_bytes(rng, data, TOKENS), read, right, hang_sec=10)


def animation():
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 48), color) for color in ("red", "blue", "green")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("kind", "by_simplejpeg"), [("JPEG", True), pytest.param("JPEG", False, marks=pytest.mark.slow), ("WEBP", False)]
)
def test_pictures(clean, kind, by_simplejpeg):
    clean(partial(make, kind, by_simplejpeg), 250, memory_gb=4)


def make_others() -> Target:
    """Other formats, whole and broken: none is opened."""
    whole = [POSTSCRIPT, b"%PDF-1.4\n", b"GIF89a" + bytes(50), b"#EXTM3U\nhttp://127.0.0.1/a\n"]
    for kind in OTHERS:
        try:
            whole.append(picture(kind))
        except (OSError, ValueError):
            continue

    def broken(rng, data):
        return data if rng.random() < 0.3 else broken_bytes(rng, data, (POSTSCRIPT[:24],))

    def read(data):
        try:
            return decode_pictures([data])
        except DecodeError as error:
            raise InputError(str(error)) from error

    return Target("other formats as pictures", whole, broken, read, lambda data, pixels: False, hang_sec=10)


@pytest.mark.slow
def test_other_formats(clean):
    clean(make_others, 200, memory_gb=4)
