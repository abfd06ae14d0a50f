"""Windows that overlap: they cover a video, and show what clips of their own would."""

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from egocurate.errors import InputError
from egocurate.loaders.frame_sampling import dense, middles_of_stretches, overlapping
from egocurate.loaders.videos.long_videos import DenseClips, OverlappingClips

FPS, FRAMES = 8, 45


@given(st.floats(0.01, 500), st.floats(0.1, 5), st.floats(0.1, 1))
def test_windows_cover_the_video_from_its_beginning_to_its_end(length, window, share):
    windows = overlapping(length, window_sec=window, stride_sec=window * share)
    starts, ends = windows.T
    assert starts[0] == 0 and abs(ends[-1] - length) < 1e-5
    assert (np.diff(starts) > 0).all() and (starts[1:] <= ends[:-1] + 1e-6).all()
    assert (ends - starts <= window + 1e-9).all()
    if len(windows) > 1:
        np.testing.assert_allclose(ends - starts, window, atol=1e-6)


@pytest.mark.parametrize(("window", "stride"), [(1.0, 0.0), (1.0, 1.5), (0.0, 0.0), (float("nan"), 1.0)])
def test_windows_with_gaps_are_refused(window, stride):
    with pytest.raises(InputError, match="stride above 0"):
        overlapping(10.0, window_sec=window, stride_sec=stride)


def test_frames_of_windows_side_by_side_are_those_of_dense_clips():
    stretches = overlapping(20.0, window_sec=0.5, stride_sec=0.5)
    places = middles_of_stretches(stretches, 4, fps=30, count=600)
    assert places.tolist() == dense(600, 4, rate=2, fps=30).tolist()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path, rng = tmp_path_factory.mktemp("video") / "v.mp4", np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(FPS), options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(FRAMES):
            picture = rng.integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_each_window_shows_its_own_frames(video):
    every_frame = torch.cat(list(DenseClips(video, frames=1, size=32, rate=FPS).batches(7)))[:, 0]
    clips = OverlappingClips(video, frames=3, size=32, window_sec=1.5, stride_sec=0.5)
    shown = torch.cat(list(clips.batches(4)))
    assert len(clips) == len(shown) == len(clips.stretches) == 10
    places = middles_of_stretches(clips.stretches, 3, fps=FPS, count=FRAMES)
    assert torch.equal(shown, every_frame[torch.from_numpy(places)])
