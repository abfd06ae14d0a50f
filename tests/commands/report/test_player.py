"""Clips that play in the page: the stored mp4 where it is small, a small copy otherwise, which lasts as long."""

import base64
import io
import shutil

import av
import numpy as np
import pytest
from PIL import Image

from egocurate.commands.jobs.cutting import RunOptions
from egocurate.commands.jobs.egoclip import run_egoclip
from egocurate.commands.report import player
from egocurate.commands.report.film_strip import draw_strip, strip_jpeg
from egocurate.commands.report.player import MOST_FRAMES, SHORT_SIDE, frames_to_show, play_url, small_mp4
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.progress import silent
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import read_frames


@pytest.fixture(scope="module")
def index(made):
    return ShardIndex.open(made / "shards")


def frames_of(index, number):
    return read_frames(index, number, frames_to_show(index.frame_count[number]))


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
    monkeypatch.setattr(player, "SHORT_SIDE", 16)
    monkeypatch.setattr(player, "MOST_BYTES", sample.video_span[1] - 1)
    shown, length = decoded(play_url(index, sample, frames))
    assert shown.shape[:3] == (sample.frame_count, 16, 16)
    assert length == pytest.approx(sample.frame_count / sample.fps, rel=0.02)
    monkeypatch.setattr(player, "MOST_BYTES", 3)
    assert play_url(index, sample, frames) == ""


def test_a_clip_stored_as_pictures_plays_too(made, tiny_root, tmp_path):
    out = shutil.copytree(made, tmp_path / "P", ignore=shutil.ignore_patterns("*shards"))
    run_egoclip(Ego4DSource(tiny_root), out, EgoClipConfig(), "auto", RunOptions(profile="fast"), silent)
    index = ShardIndex.open(out / "shards")
    shown, length = decoded(play_url(index, index.row(3), frames_of(index, 3)))
    assert len(shown) == index.frame_count[3]
    assert length == pytest.approx(index.frame_count[3] / index.row(3).fps, rel=0.02)


def test_few_frames_are_all_shown_and_many_evenly_from_first_to_last():
    assert frames_to_show(5).tolist() == [0, 1, 2, 3, 4]
    many = frames_to_show(9000)
    assert (len(many), many[0], many[-1]) == (MOST_FRAMES, 0, 8999)
    assert set(np.diff(many)) <= {191, 192}


def test_the_copy_is_smaller_and_shows_the_same():
    ramp = np.linspace(20, 220, 40).astype(np.uint8)
    frames = np.broadcast_to(ramp[:, None, None, None], (40, 360, 641, 3))
    shown, length = decoded("data:video/mp4;base64," + base64.b64encode(small_mp4(frames, 9.97)).decode())
    assert shown.shape == (40, SHORT_SIDE, 256, 3)
    assert length == pytest.approx(40 / 9.97, rel=0.02)
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
