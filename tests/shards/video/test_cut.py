import hashlib
import io
import itertools
import random
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import egocurate.shards.video.cut as cut_module
from egocurate.shards.profiles import PROFILES, profile
from egocurate.shards.video.clip_frames import FrameWindow, pick_frames
from egocurate.shards.video.cut import EncodedClip, Failure, cut_clips
from egocurate.shards.video.reader import VideoReader
from egocurate.shards.video.scaler import FrameScaler, stored_size

H264 = {"preset": "ultrafast", "g": "40", "keyint_min": "40", "sc_threshold": "0"}
MADE = {
    "b-frames, long gop": {**H264, "bf": "3", "b-pyramid": "2", "pts": range(200)},
    "open gop": {**H264, "bf": "3", "pts": range(200), "x264-params": "open-gop=1"},
    "starts at 0.8 s": {**H264, "bf": "2", "pts": range(24, 150)},
    "29.97": {**H264, "bf": "2", "tick": Fraction(1001, 30000)},
    "variable rate": {"pts": np.cumsum([0, *([1, 1, 7, 2, 40, 1] * 12)]).tolist(), **H264, "bf": "2"},
    "slower than asked": {"pts": range(30), "tick": Fraction(1, 5), **H264},
    "vp9": {"codec": "libvpx-vp9", "pts": range(120), "g": "30", "cpu-used": "8", "deadline": "realtime"},
    "vp9 alt-ref": {
        "codec": "libvpx-vp9",
        "pts": range(60),
        "auto-alt-ref": "1",
        "lag-in-frames": "16",
        "cpu-used": "5",
    },
}
REAL = [
    "tiles/epic_b_r2c0.mp4",
    "epic_wall_a_4x4_vp9_720p60_remux.mp4",
    "egoblur_gen2_test_lp_video.mp4",
    "gopro_max_heromode.mp4",
    "torchcodec_nasa_13013.mp4",
]


class RecordingEncoder:
    """Stands in for the encoder: keeps which source frames it was given and what they look like."""

    def __init__(self, width, height, rate, profile):
        self.frame_count, self.frames = 0, []

    def add(self, frame):
        self.frame_count += 1
        self.frames.append((frame.pts, hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()))

    def finish(self):
        return self.frames


class CountingVideo(VideoReader):
    """Notes every packet that is decoded."""

    decoded: list[int]

    def __init__(self, path, stats):
        super().__init__(path, stats)
        type(self).decoded = []

    def _decode(self, packet):
        if packet is not None:
            self.decoded.append(packet.pts)
        return super()._decode(packet)


def all_frames(path: Path) -> tuple[list[Fraction], Fraction, list[tuple[int, str]]]:
    """Decode a whole file from the front: times, where the last frame leaves, and what each looks like when scaled."""
    scaler = FrameScaler(profile("train"), left_half=False)
    times, looks, end = [], [], Fraction(0)
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        for frame in container.decode(stream):
            time = frame.pts * stream.time_base
            end = time + (frame.duration * stream.time_base or 1 / stream.average_rate)
            times.append(time)
            pts, scaled = frame.pts, scaler.scale(frame, Fraction(stream.sample_aspect_ratio or 1))
            looks.append((pts, hashlib.sha256(scaled.to_ndarray().tobytes()).hexdigest()))
    return times, end, looks


def some_windows(seed: object, length: float, count: int) -> list[tuple[str, float, float]]:
    rng = random.Random(seed)
    windows = [("on a frame", 2.0, 2.0), ("between frames", 2.01, 2.01)]
    for i in range(count):
        start = rng.uniform(-0.2, length)
        windows.append((f"k{i}", start, start + rng.choice([0, 0.01, 0.3, 1.0, 2.5])))
    return windows


def check_against_brute_force(path, monkeypatch, windows_of):
    monkeypatch.setattr(cut_module, "clip_encoder", RecordingEncoder)
    monkeypatch.setattr(cut_module, "VideoReader", CountingVideo)
    times, end, looks = all_frames(path)
    for count in (2, 12):
        windows = windows_of(float(end), count)
        cut = dict(cut_clips(path, windows, profile("train")))
        assert cut.keys() == {key for key, _, _ in windows}
        for key, start, stop in windows:
            expected = [looks[i] for i in pick_frames(times, end, FrameWindow.of(start, stop, 8))]
            if expected:
                assert cut[key].members == expected
            else:
                assert cut[key].reason == "no frames in window"
        assert len(CountingVideo.decoded) == len(set(CountingVideo.decoded)), "a frame was decoded twice"
    return len(times)


@pytest.mark.parametrize("kind", MADE)
def test_clips_of_made_videos_hold_the_frames_that_brute_force_picks(kind, make_video, tmp_path, monkeypatch):
    path = make_video(tmp_path / "video.mp4", **MADE[kind])
    for seed in range(3):
        check_against_brute_force(
            path, monkeypatch, lambda end, count, seed=f"{kind} {seed}": some_windows(seed, end + 1, count)
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_clips_of_real_videos_hold_the_frames_that_brute_force_picks(name, real_video, monkeypatch):
    check_against_brute_force(real_video(name), monkeypatch, lambda end, count: some_windows(1, end, count))


def test_the_made_videos_are_what_their_names_say(make_video, tmp_path):
    with av.open(str(make_video(tmp_path / "late.mp4", **MADE["starts at 0.8 s"]))) as container:
        stream = container.streams.video[0]
        assert stream.start_time * stream.time_base == Fraction(8, 10)
    with av.open(str(make_video(tmp_path / "b.mp4", **MADE["b-frames, long gop"]))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        assert any(a.pts > b.pts for a, b in itertools.pairwise(packets))
        assert sum(packet.is_keyframe for packet in packets) == 5


def test_stretches_that_no_clip_needs_are_not_decoded(make_video, tmp_path, monkeypatch):
    path = make_video(tmp_path / "video.mp4", **{**H264, "bf": "3", "g": "20", "keyint_min": "20"}, pts=range(900))
    monkeypatch.setattr(cut_module, "VideoReader", CountingVideo)
    dict(cut_clips(path, [("a", 1.0, 1.2), ("b", 15.0, 15.2), ("c", 29.0, 29.2)], profile("train")))
    assert len(CountingVideo.decoded) < 3 * 40


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_gives_equal_frames_equal_bytes(name, small_videos):
    windows = [("a", 0.5, 1.5), ("b", 1.0, 2.0)]
    first, again = (dict(cut_clips(small_videos["cook"], windows, profile(name))) for _ in range(2))
    assert first == again
    assert dict(cut_clips(small_videos["cook"], windows[1:], profile(name)))["b"] == first["b"]


def test_stored_clip_decodes_to_its_frames_and_has_the_same_bytes_however_it_is_cut(small_videos):
    windows = [("a", 0.5, 1.5), ("b", 1.0, 2.0), ("c", 1.1, 1.9), ("d", 6.0, 6.5)]
    together = dict(cut_clips(small_videos["cook"], windows, profile("train")))
    for window in windows:
        alone = dict(cut_clips(small_videos["cook"], [window], profile("train")))
        assert alone[window[0]] == together[window[0]]
    clip = together["a"]
    assert (clip.frame_count, clip.fps, clip.width, clip.height) == (8, 8.0, 64, 48)
    with av.open(io.BytesIO(clip.members[0])) as container:
        assert "creation_time" not in container.metadata and "encoder" not in container.metadata
        stamps = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert stamps == [Fraction(n, 8) for n in range(8)]


def test_stored_pictures_look_like_their_source(make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", **MADE["b-frames, long gop"])
    clip = dict(cut_clips(path, [("a", 2.0, 3.0)], profile("train")))["a"]
    source = decoded(path)
    stored = decoded(io.BytesIO(clip.members[0]))
    for n, picture in enumerate(stored):
        time = next(i for i in range(200) if Fraction(i, 30) >= 2 + Fraction(n, 8))
        errors = [np.abs(picture.astype(int) - other.astype(int)).mean() for other in source]
        assert int(np.argmin(errors)) == time


def decoded(file) -> list[np.ndarray]:
    with av.open(file if isinstance(file, io.BytesIO) else str(file)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_native_profile_keeps_every_frame_of_the_window(small_videos):
    clip = dict(cut_clips(small_videos["cook"], [("a", 1.0, 2.0)], profile("native")))["a"]
    assert (clip.frame_count, clip.fps) == (30, 30.0)


def test_a_source_slower_than_the_profile_keeps_its_own_rate(make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", **MADE["slower than asked"])
    clip = dict(cut_clips(path, [("a", 1.0, 3.0)], profile("train")))["a"]
    assert (clip.frame_count, clip.fps) == (10, 5.0)


@pytest.mark.parametrize(
    ("width", "height", "stored"),
    [
        (1920, 1440, (342, 256)),
        (480, 270, (456, 256)),
        (320, 180, (320, 180)),
        (321, 181, (320, 180)),
        (270, 480, (256, 456)),
    ],
)
def test_stored_size(width, height, stored):
    assert stored_size(width, height, 256) == stored


def test_left_half_of_side_by_side_stereo(make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", size=(128, 48), **H264)
    whole = dict(cut_clips(path, [("a", 1.0, 2.0)], profile("train")))["a"]
    half = dict(cut_clips(path, [("a", 1.0, 2.0)], profile("train"), left_half=True))["a"]
    assert (half.width, half.height) == (64, 48)
    left = decoded(io.BytesIO(whole.members[0]))[0][:, :64].astype(int)
    assert np.abs(left - decoded(io.BytesIO(half.members[0]))[0]).mean() < 4


def test_pixels_are_stored_square(make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", pixel_aspect=2, **H264)
    clip = dict(cut_clips(path, [("a", 1.0, 1.5)], profile("train")))["a"]
    assert (clip.width, clip.height) == (192, 64)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_turned_video_is_stored_upright(rotation, make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", rotation=rotation, **H264)
    plain = make_video(tmp_path / "plain.mp4", **H264)
    turned = dict(cut_clips(path, [("a", 1.0, 1.5)], profile("train")))["a"]
    upright = np.rot90(decoded(plain)[30], rotation // 90)
    assert decoded(io.BytesIO(turned.members[0]))[0].shape == upright.shape
    assert np.abs(decoded(io.BytesIO(turned.members[0]))[0].astype(int) - upright.astype(int)).mean() < 8


@pytest.mark.parametrize("referred_to", [True, False])
@pytest.mark.parametrize("damage", ["all but its head", "its last bytes"])
def test_a_corrupt_packet_costs_the_clips_that_reach_into_its_group_only(damage, referred_to, make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", **{**H264, "g": "30", "keyint_min": "30", "bf": "2"}, pts=range(300))
    windows = [
        ("before", 0.5, 1.5),
        ("reaches in", 2.5, 3.5),
        ("inside", 3.4, 3.6),
        ("after", 4.0, 5.0),
        ("far", 8.2, 9.0),
    ]
    good = dict(cut_clips(path, windows, profile("train")))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        # No clip holds frame 92 or 96: where no other frame refers to it either, none is the worse for it.
        time = Fraction(96 if referred_to else 92, 30)
        broken = next(packet for packet in packets if packet.pts * packet.time_base == time)
        assert bool(bytes(broken)[4] & 0x60) == referred_to
        position, size = broken.pos, broken.size
    data = bytearray(path.read_bytes())
    first = position + (5 if damage == "all but its head" else size * 2 // 3)
    data[first : position + size] = bytes(
        255 if damage == "all but its head" else 0 for _ in range(first, position + size)
    )
    path.write_bytes(data)
    cut = dict(cut_clips(path, windows, profile("train")))
    lost = {"reaches in", "inside"} if referred_to else set()
    assert {key for key, result in cut.items() if isinstance(result, Failure)} == lost
    assert all(cut[key].reason == "decode error" and cut[key].detail for key in lost)
    assert all(cut[key] == good[key] for key in cut.keys() - lost)


def test_a_file_cut_short_costs_the_clips_beyond_the_cut(make_video, tmp_path):
    path = make_video(tmp_path / "video.mp4", **H264, pts=range(300), faststart=True)
    windows = [("early", 1.0, 2.0), ("late", 8.0, 9.0)]
    good = dict(cut_clips(path, windows, profile("train")))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = dict(cut_clips(path, windows, profile("train")))
    assert cut["early"] == good["early"]
    assert cut["late"].reason == "decode error"


def test_videos_that_are_missing_or_no_videos_fail_every_clip(tmp_path):
    windows = [("a", 0.0, 1.0), ("b", 1.0, 2.0)]
    missing = dict(cut_clips(tmp_path / "none.mp4", windows, profile("train")))
    assert [failure.reason for failure in missing.values()] == ["video not on disk"] * 2
    (tmp_path / "text.mp4").write_text("not a video")
    broken = dict(cut_clips(tmp_path / "text.mp4", windows, profile("train")))
    assert [failure.reason for failure in broken.values()] == ["cannot open"] * 2


def test_repr_of_a_clip_shows_its_shape():
    assert repr(EncodedClip((b"12", b"34"), 8, 8.0, 456, 256)) == "EncodedClip(8 frames 456x256 at 8/s, 4 bytes)"
