"""Clips all along a video against frames decoded one by one."""

import av
import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders.crops import center_view, crop_and_resize
from egocurate.loaders.frame_sampling import dense, segments_middle
from egocurate.loaders.videos.long_videos import BadVideo, DenseClips, find_videos, spread_frames
from egocurate.shards.profiles import profile
from egocurate.shards.video.scaler import FrameScaler

FPS = 10


def write(path, times, *, codec="libx264", options=None, rate=FPS):
    """A video whose frame k is shown from times[k] (in frames of `rate`); its pictures tell which it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number, time in enumerate(times):
            picture = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(picture.repeat(8, 0).repeat(8, 1), format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def shown(path, size):
    """Every frame of a video as a model sees it, uint8 [N, 3, size, size]."""
    scaler = FrameScaler(profile("train"), left_half=False)
    with av.open(str(path)) as container:
        frames = [scaler.scale(frame, 1).to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    pictures = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return crop_and_resize(pictures, center_view(*pictures.shape[-2:]), size)


@pytest.mark.parametrize("b_frames", [0, 3])
def test_dense_clips_are_those_of_the_plan(tmp_path, b_frames):
    write(tmp_path / "a.mp4", range(47), options={"bf": str(b_frames), "g": "20"})
    clips = DenseClips(tmp_path / "a.mp4", frames=4, size=32, rate=1.875)
    batches = list(clips.batches(3))
    places = dense(47, 4, rate=1.875, fps=FPS)
    assert [len(batch) for batch in batches] == [3, 3, 2]
    assert len(clips) == len(places) == 8
    assert torch.equal(torch.cat(batches), shown(tmp_path / "a.mp4", 32)[places])


def test_a_video_shorter_than_a_clip_is_one(tmp_path):
    write(tmp_path / "a.mp4", range(3))
    clips = DenseClips(tmp_path / "a.mp4", frames=4, size=32, rate=1.0)
    (batch,) = clips.batches(8)
    assert torch.equal(batch[0], shown(tmp_path / "a.mp4", 32)[dense(3, 4, rate=1.0, fps=FPS)[0]])


def test_where_frames_are_missing_the_one_before_is_shown(tmp_path):
    times = [k for k in range(40) if k % 10 not in (3, 4, 5)]  # as a recorder that drops frames
    write(tmp_path / "a.mkv", times, rate=FPS)
    pictures, at = shown(tmp_path / "a.mkv", 32), np.array(times)
    with av.open(str(tmp_path / "a.mkv")) as container:
        fps = float(container.streams.video[0].average_rate)
    (batch,) = DenseClips(tmp_path / "a.mkv", frames=4, size=32, rate=2.5).batches(100)
    seconds = (np.arange(len(batch))[:, None] + (np.arange(4) + 0.5) / 4) / 2.5
    # The plan is in whole frames: what is shown lies at most one of them from the exact time.
    for clip, moments in zip(batch, seconds, strict=True):
        for picture, moment in zip(clip, moments, strict=True):
            near = [np.searchsorted(at, (moment + d / fps) * FPS + 1e-9, side="right") - 1 for d in (-1, 0, 1)]
            assert any(torch.equal(picture, pictures[max(0, place)]) for place in near)


def test_spread_frames_are_the_middles_of_equal_parts(tmp_path):
    write(tmp_path / "a.mp4", range(31))
    found = spread_frames(tmp_path / "a.mp4", frames=4, size=32)
    assert torch.equal(found, shown(tmp_path / "a.mp4", 32)[segments_middle(31, 4)])


def test_a_bad_video_says_what_is_wrong(tmp_path):
    write(tmp_path / "a.mp4", range(60), options={"g": "10"})
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    middle = data.index(b"mdat") + 4000
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "damaged.mp4").write_bytes(data)
    (tmp_path / "noise.mp4").write_bytes(bytes(1000))
    for name in ("damaged", "noise", "absent"):
        with pytest.raises(BadVideo):
            list(DenseClips(tmp_path / f"{name}.mp4", frames=4, size=32, rate=1.875).batches(4))


def test_videos_are_found_by_folder_and_by_list(tmp_path):
    for name in ("b.MP4", "a.mkv", "notes.txt"):
        (tmp_path / name).touch()
    assert find_videos(tmp_path) == {"a": tmp_path / "a.mkv", "b": tmp_path / "b.MP4"}
    (tmp_path / "list.txt").write_text("b.MP4\n\n/far/c.mp4\n")
    assert [str(path) for path in find_videos(tmp_path / "list.txt").values()] == [
        str(tmp_path / "b.MP4"),
        "/far/c.mp4",
    ]
    (tmp_path / "a.mp4").touch()
    with pytest.raises(InputError, match="one name"):
        find_videos(tmp_path)
    with pytest.raises(InputError, match="neither a folder"):
        find_videos(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no videos"):
        find_videos(tmp_path / "empty")
