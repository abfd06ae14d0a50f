"""Containers x codecs x kinds of groups of pictures: every clip against a decode of the whole file from its front."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from egocurate.shards.profiles import profile
from egocurate.shards.video.cut import Failure, cut_clips
from tests.shards.video.test_frame_exact import B_FRAMES, FAST, awkward, check, decoded, held, noted  # noqa: F401 (a fixture)

H264 = {**B_FRAMES, "pts": range(200)}
OPEN_GROUPS = {**FAST, "bf": "3", "pts": range(200), "x264-params": "open-gop=1"}
REFRESH = {**FAST, "bf": "0", "pts": range(200), "x264-params": "intra-refresh=1"}
VARIABLE = {**B_FRAMES, "pts": np.cumsum([0, *([1, 1, 7, 2, 40, 1] * 12)]).tolist()}
HEVC = {"codec": "libx265", "pts": range(120), "preset": "ultrafast"}
HEVC_CLOSED = {**HEVC, "x265-params": "keyint=30:bframes=3:open-gop=0:log-level=none"}
HEVC_OPEN = {**HEVC, "x265-params": "keyint=30:bframes=3:open-gop=1:log-level=none"}
HEVC_REFRESH = {**HEVC, "x265-params": "keyint=30:bframes=0:intra-refresh=1:log-level=none"}
MPEG2 = {"codec": "mpeg2video", "pts": range(120), "g": "15", "bf": "2", "b": "4M"}
MPEG4 = {"codec": "mpeg4", "pts": range(120), "g": "25", "bf": "2", "b": "4M"}
MJPEG = {"codec": "mjpeg", "pts": range(60), "pix_fmt": "yuvj420p"}
VP8 = {"codec": "libvpx", "pts": range(120), "g": "30", "cpu-used": "8", "deadline": "realtime"}
VP9 = {"codec": "libvpx-vp9", "pts": range(120), "g": "30", "cpu-used": "8", "deadline": "realtime"}
VP9_HIDDEN = {"codec": "libvpx-vp9", "pts": range(90), "g": "30", "auto-alt-ref": "1", "lag-in-frames": "16"}
AV1 = {"codec": "libsvtav1", "pts": range(60), "preset": "12", "g": "20", "svtav1-params": "hierarchical-levels=3"}
KINDS = {
    f"{name}.{container}": (container, made)
    for name, made, containers in (
        ("h264", H264, "mp4 mov mkv ts m2ts flv fragments"),
        ("h264 no b-frames", {**H264, "bf": "0"}, "mkv avi"),
        ("h264 open groups", OPEN_GROUPS, "mp4 mkv ts"),
        ("h264 refresh", REFRESH, "mp4 mkv ts fragments"),
        ("h264 variable", VARIABLE, "mp4 mkv ts"),
        ("h264 one group", {**H264, "g": "1000", "keyint_min": "1000"}, "mkv ts"),
        ("h264 late", {**H264, "pts": range(45, 200)}, "mkv ts"),
        ("hevc", HEVC_CLOSED, "mp4 mkv ts"),
        ("hevc open groups", HEVC_OPEN, "mp4 mkv ts"),
        ("hevc refresh", HEVC_REFRESH, "mp4 mkv ts"),
        ("mpeg2", MPEG2, "mp4 mkv ts avi"),
        ("mpeg4", MPEG4, "mp4 mkv avi ts"),
        ("mjpeg", MJPEG, "mov mkv avi"),
        ("vp8", VP8, "webm mkv"),
        ("vp9", VP9, "mp4 webm"),
        ("vp9 hidden", VP9_HIDDEN, "mp4 webm"),
        ("av1", AV1, "mp4 webm"),
    )
    for container in containers.split()
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_clip_shows_the_frames_of_its_times(kind: str, make_video: Callable[..., Path], tmp_path: Path) -> None:
    container, made = KINDS[kind]
    if container == "fragments":
        container, made = "mp4", made | {"movflags": "frag_keyframe+empty_moov"}
    path = make_video(tmp_path / f"video.{container}", **made)
    times, end, looks = decoded(path, False, 1e9)
    assert len(set(looks)) > 0.9 * len(looks), "frames must differ for this test to mean anything"
    assert 0 <= times[0] < Fraction(1, 10) or "late" in kind
    windows = awkward(float(times[0]), float(end), kind)
    check(path, windows)
    for window in windows[::3]:
        check(path, [window])


@pytest.mark.parametrize("container", ["avi", "mpg"])
def test_where_a_file_does_not_tell_the_times_of_its_frames_no_clip_is_stored(
    container: str, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video(tmp_path / f"video.{container}", **H264)
    windows = [(f"k{second}", second + 0.5, second + 1.5) for second in range(5)]
    for cut in dict(cut_clips(path, windows, profile("train"))).values():
        assert isinstance(cut, Failure)
        assert "put the video into mp4" in cut.detail or "a frame without a time" in cut.detail


def test_where_some_times_are_wrong_the_clips_there_fail(make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mpg", **MPEG2)
    times, end, looks = decoded(path, False, 1e9)
    wrong = {n for n, time in enumerate(times[1:]) if time <= times[n]}
    windows = [(f"k{n}", n / 4, n / 4 + 0.5) for n in range(15)]
    failed = 0
    for key, cut in cut_clips(path, windows, profile("train")):
        start, stop = next(window[1:] for window in windows if window[0] == key)
        if isinstance(cut, Failure):
            failed += 1
            assert "in another order than their times" in cut.detail
        else:
            assert cut.members == tuple(looks[n] for n in held(times, end, start, stop, 8))
    assert len(wrong) == 1 and 1 <= failed <= 5


def test_clips_after_a_jump_do_not_show_what_was_on_screen_before_it(
    make_video: Callable[..., Path], tmp_path: Path
) -> None:
    path = make_video(tmp_path / "video.ts", **{**H264, "pts": [n + 90 * (n // 40) for n in range(160)]})
    check(path, [("early", 0.2, 0.4), ("late", 8.0, 8.4), ("in a pause", 10.0, 10.1)])
