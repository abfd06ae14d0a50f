"""Colors: whatever matrix and range a source has, what is stored in BT.601 shows the colors that it showed."""

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest

from egocurate.shards.profiles import profile
from egocurate.shards.video.scaler import FrameScaler

# (number, weight of red, weight of blue in luma): ITU-T H.273, table 4
MATRICES = {
    "BT.709": (1, 0.2126, 0.0722),
    "BT.601": (5, 0.299, 0.114),
    "SMPTE 240M": (7, 0.212, 0.087),
    "BT.2020": (9, 0.2627, 0.0593),
}


def encoded(rgb, number, red, blue):
    """Return a yuv420p frame of limited range of colors [H, W, 3] from 0 to 1, equal in blocks of 2 x 2."""
    luma = rgb @ [red, 1 - red - blue, blue]
    planes = (
        16 + 219 * luma,
        (128 + 112 * (rgb[..., 2] - luma) / (1 - blue))[::2, ::2],
        (128 + 112 * (rgb[..., 0] - luma) / (1 - red))[::2, ::2],
    )
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv420p")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        rows[:, : values.shape[1]] = np.rint(values)
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range, frame.pts = number, 1, 0
    return frame


def colors(frame):
    """Return the colors float [H, W, 3], from 0 to 255, of a frame in BT.601 limited range."""
    luma, blue, red = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(float)
        for plane in frame.planes
    )
    luma, blue, red = (luma - 16) / 219, (blue - 128) / 112, (red - 128) / 112
    blue, red = (np.kron(chroma, np.ones((2, 2))) for chroma in (blue, red))
    r, b = luma + 0.701 * red, luma + 0.886 * blue
    return 255 * np.stack([r, (luma - 0.299 * r - 0.114 * b) / 0.587, b], axis=-1)


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("short_side", [256, 128])
def test_no_matrix_is_stored_too_dark(name, short_side):
    shown = np.kron(np.random.default_rng(0).uniform(0.15, 0.85, (8, 12, 3)), np.ones((32, 32, 1)))
    frame = encoded(shown, *MATRICES[name])
    scaler = FrameScaler(replace(profile("train"), short_side=short_side), left_half=False)
    stored = colors(scaler.scale(frame, Fraction(1)))
    step = 256 // short_side
    difference = stored - 255 * shown[::step, ::step]
    assert np.abs(difference.mean((0, 1))).max() < 0.15
