"""Pictures of a clip, by both libraries alike."""

import io

import numpy as np
import pytest
from PIL import Image

from egocurate.shards.video import decode_pictures as module
from egocurate.shards.video.decode_pictures import decode_pictures
from egocurate.shards.video.decoder_protocol import DecodeError

SIZES = [(398, 224), (224, 398), (17, 9), (1, 1), (256, 256)]


def picture(size, seed=0, kind="JPEG", **options):
    """Return a file of smooth colors and some noise."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(small) + rng.normal(0, 6, (size[1], size[0], 3)), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(params=["simplejpeg", "Pillow"])
def library(request, monkeypatch):
    """Decode JPEG by this library."""
    if request.param == "Pillow":
        monkeypatch.setattr(module, "simplejpeg", None)
    return request.param


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("options", [{"quality": 74}, {"quality": 95, "subsampling": 0}, {"progressive": True}])
def test_both_libraries_decode_the_same_pixels(size, options, monkeypatch):
    files = [picture(size, seed, **options) for seed in range(3)]
    quick = decode_pictures(files)
    monkeypatch.setattr(module, "simplejpeg", None)
    assert quick.shape == (3, size[1], size[0], 3)
    assert quick.flags["C_CONTIGUOUS"]
    assert np.array_equal(quick, decode_pictures(files))


def test_gray_and_webp(library):
    gray = io.BytesIO()
    Image.new("L", (20, 10), 77).save(gray, "JPEG")
    assert np.array_equal(decode_pictures([gray.getvalue()]), np.full((1, 10, 20, 3), 77, np.uint8))
    assert decode_pictures([picture((20, 10), kind="WEBP")]).shape == (1, 10, 20, 3)


@pytest.mark.parametrize(
    "files",
    [
        [],
        [b""],
        [b"\xff\xd8"],
        [picture((64, 48))[:-200]],
        [picture((64, 48)), picture((48, 64))],
        [picture((64, 48), kind="WEBP")[:-100]],
    ],
    ids=["none", "empty", "a header's start", "cut short", "two sizes", "WebP cut short"],
)
def test_what_does_not_decode_is_one_line(files, library):
    with pytest.raises(DecodeError) as raised:
        decode_pictures(files)
    assert "\n" not in str(raised.value)
