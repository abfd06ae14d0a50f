"""Clips that play in the page: the stored mp4 where it is small, a small copy otherwise, which lasts as long."""

import base64
import io

import av
import numpy as np
import pytest
from PIL import Image

from egocurate.commands.report import player
from egocurate.commands.report.film_strip import draw_strip, strip_jpeg
from egocurate.commands.report.player import MOST_FRAMES, SHORT_SIDE, play_url, small_mp4
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import read_frames


@pytest.fixture(scope="module")
def index(made):
    return ShardIndex.open(made / "shards")


def frames_of(index, number):
    return read_frames(index, number, np.arange(index.frame_count[number]))


def decoded(url):
    kind, _, data = url.partition(",")
    assert kind == "data:video/mp4;base64"
    with av.open(io.BytesIO(base64.b64decode(data))) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return np.stack(frames), float(stream.duration * stream.time_base)


def test_a_small_clip_is_embedded_as_it_is_stored(index):
    url = play_url(index, index.row(0), frames_of(index, 0))
    assert base64.b64decode(url.partition(",")[2]) == index.read_video(0)


def test_a_large_clip_is_embedded_as_a_small_copy_of_the_same_length(index, monkeypatch):
    sample, frames = index.row(0), frames_of(index, 0)
    monkeypatch.setattr(player, "MOST_BYTES", sample.video_span[1] - 1)
    monkeypatch.setattr(player, "small_mp4", lambda frames, fps: small_mp4(frames, fps)[:0] + b"small")
    assert play_url(index, sample, frames).endswith(base64.b64encode(b"small").decode())
    monkeypatch.setattr(player, "MOST_BYTES", 3)
    assert play_url(index, sample, frames) == ""


def test_the_copy_is_smaller_and_shows_the_same():
    seconds, fps = 4, 30
    ramp = np.linspace(20, 220, seconds * fps).astype(np.uint8)
    frames = np.broadcast_to(ramp[:, None, None, None], (len(ramp), 360, 641, 3))
    shown, length = decoded("data:video/mp4;base64," + base64.b64encode(small_mp4(frames, fps)).decode())
    assert shown.shape[0] == MOST_FRAMES
    assert min(shown.shape[1:3]) == SHORT_SIDE and shown.shape[2] % 2 == 0
    assert length == pytest.approx(seconds, rel=0.02)
    assert shown[[0, -1]].mean(axis=(1, 2, 3)) == pytest.approx([20, 220], abs=6)


def test_a_strip_has_frames_in_order_and_one_size(index):
    strips = [Image.open(io.BytesIO(strip_jpeg(frames_of(index, number)))) for number in range(6)]
    assert len({strip.size for strip in strips}) == 1
    assert strips[0].width > 4 * strips[0].height


def test_a_drawn_clip_has_each_frame_once_with_its_second_below(tmp_path):
    frames = np.stack([np.full((80, 90, 3), shade, np.uint8) for shade in (40, 120, 200)])
    draw_strip(frames, [1.0, 1.125, 1.25], "#C C pèle 洋葱", tmp_path / "strip.png")
    picture = np.asarray(Image.open(tmp_path / "strip.png"))
    assert picture.shape[1] == 3 * 90
    assert picture[40, [45, 135, 225], 0].tolist() == [40, 120, 200]
    below = picture[-14:, :, 0].reshape(14, 3, 90)
    assert (below.min(axis=(0, 2)) < 128).all()  # each has its second
