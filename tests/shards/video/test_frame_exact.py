"""Every clip against a decode of the whole file from its front, with the rule and nothing of the cutter's own code."""

import hashlib
import random
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import egocurate.shards.video.cut as cut_module
from egocurate.shards.profiles import profile
from egocurate.shards.video.cut import Failure, cut_clips
from egocurate.shards.video.cut_stats import CutStats
from egocurate.shards.video.scaler import FrameScaler

Windows = list[tuple[str, float, float]]
FAST = {"preset": "ultrafast", "g": "40", "keyint_min": "40", "sc_threshold": "0"}
B_FRAMES = {**FAST, "bf": "3", "b-pyramid": "2"}
NTSC = Fraction(1001, 30000)
KINDS = {
    "one group of pictures": {**B_FRAMES, "g": "1000", "keyint_min": "1000", "pts": range(220)},
    "b-frames": {**B_FRAMES, "pts": range(220)},
    "b-frames to which none refers": {**FAST, "bf": "2", "b-pyramid": "0", "pts": range(220)},
    "open groups of pictures": {**FAST, "bf": "3", "pts": range(220), "x264-params": "open-gop=1"},
    "slices": {**B_FRAMES, "pts": range(150), "x264-params": "slices=4"},
    "interlaced": {**B_FRAMES, "pts": range(150), "x264-params": "interlaced=1", "size": (96, 96)},
    "29.97 fps": {**B_FRAMES, "tick": NTSC, "pts": range(150)},
    "50 fps": {**B_FRAMES, "tick": Fraction(1, 50), "pts": range(220)},
    "60 fps": {**B_FRAMES, "tick": Fraction(1, 60), "pts": range(260)},
    "variable rate": {**B_FRAMES, "pts": np.cumsum([0, *([1, 1, 7, 2, 40, 1] * 12)]).tolist()},
    "starts late": {**B_FRAMES, "pts": range(25, 170)},
    "turned by 90": {**B_FRAMES, "pts": range(100), "rotation": 90},
    "turned by 180": {**B_FRAMES, "pts": range(100), "rotation": 180},
    "turned by 270": {**B_FRAMES, "pts": range(100), "rotation": 270},
    "portrait": {**B_FRAMES, "pts": range(100), "size": (64, 96)},
    "pixels twice as wide": {**B_FRAMES, "pts": range(100), "pixel_aspect": 2},
    "odd size": {**B_FRAMES, "pts": range(100), "size": (97, 65), "pix_fmt": "yuv444p"},
    "ten bits": {**B_FRAMES, "pts": range(100), "pix_fmt": "yuv420p10le"},
    "vp9": {"codec": "libvpx-vp9", "pts": range(120), "g": "30", "cpu-used": "8", "deadline": "realtime"},
    "vp9, turned": {"codec": "libvpx-vp9", "pts": range(60), "g": "30", "cpu-used": "8", "rotation": 90},
    "vp9, hidden frames": {"codec": "libvpx-vp9", "pts": range(90), "auto-alt-ref": "1", "lag-in-frames": "16"},
    "hevc": {"codec": "libx265", "pts": range(120), "preset": "ultrafast", "x265-params": "keyint=30:log-level=none"},
    "av1, hidden frames": {"codec": "libsvtav1", "pts": range(90), "preset": "11", "g": "30", "size": (128, 96)},
    "av1": {
        "codec": "libsvtav1",
        "pts": range(90),
        "preset": "11",
        "svtav1-params": "pred-struct=1",
        "size": (128, 96),
    },
}
REAL = sorted(path for path in (Path(__file__).parents[4] / "shared" / "data" / "videos").glob("**/*.mp4"))
# One tile of each wall stands for its 16 alike.
REAL = [path for path in REAL if path.parent.name != "tiles" or path.stem.endswith("r2c0")]


class NotedFrames:
    """Stands in for the encoder: keeps what it is given, and writes nothing."""

    def __init__(self, width: int, height: int, *_: object) -> None:
        self.frame_count, self.looks = 0, []

    def add(self, frame: av.VideoFrame) -> None:
        self.frame_count += 1
        self.looks.append(look(frame))

    def finish(self) -> tuple[str, ...]:
        return tuple(self.looks)


def look(frame: av.VideoFrame) -> str:
    return f"{frame.width}x{frame.height} {hashlib.sha256(frame.to_ndarray().tobytes()).hexdigest()}"


@cache
def decoded(path: Path, left_half: bool, until: float) -> tuple[list[Fraction], Fraction, list[str]]:
    """Return times, the end of the last frame, and the looks of each frame of a file as stored."""
    scaler = FrameScaler(profile("train"), left_half=left_half)
    times, looks, end = [], [], Fraction(0)
    with av.open(str(path)) as container:
        stream = container.streams.best("video")
        starts = [one.start_time * one.time_base for one in container.streams if one.start_time is not None]
        first = Fraction(0) if "mp4" in container.format.name else min(starts)
        for frame in container.decode(stream):
            times.append(frame.pts * stream.time_base - first)
            end = times[-1] + (frame.duration * stream.time_base or 1 / stream.average_rate)
            looks.append(look(scaler.scale(frame, Fraction(stream.sample_aspect_ratio or 1))))
            if end > until:
                break
    return times, end, looks


def held(times: list[Fraction], video_end: Fraction, start: float, end: float, fps: int | None) -> list[int]:
    """The rule of the frame_sampler, word for word, over windows of whole microseconds."""
    first, last = (Fraction(int(np.floor(second * 1_000_000)), 1_000_000) for second in (start, end))
    inside = [i for i, time in enumerate(times) if first <= time < last]
    if not inside:
        leaves = [*times[1:], video_end]
        return [i for i, time in enumerate(times) if time <= first < leaves[i]]
    if fps is None:
        return inside
    instants = [first + Fraction(i, fps) for i in range(int(np.ceil(float((last - first) * fps))) + 1)]
    found = (next((i for i in inside if times[i] >= instant), None) for instant in instants if instant < last)
    return sorted({i for i in found if i is not None})


def check(path: Path, windows: Windows, *, left_half: bool = False, name: str = "train") -> CutStats:
    times, end, looks = decoded(path, left_half, 1e9)
    stats = CutStats()
    cut = dict(cut_clips(path, windows, profile(name), left_half=left_half, stats=stats))
    assert cut.keys() == {key for key, _, _ in windows}
    wanted = set()
    for key, start, stop in windows:
        expected = held(times, end, start, stop, profile(name).fps)
        wanted |= set(expected)
        if not expected:
            assert isinstance(cut[key], Failure) and cut[key].reason == "no frames in window", key
        else:
            assert cut[key].members == tuple(looks[i] for i in expected), (key, start, stop)
            assert f"{cut[key].width}x{cut[key].height}" == cut[key].members[0].split()[0]
    assert len(wanted) <= stats.decoded <= stats.packets <= len(times) + 1
    return stats


def awkward(first: float, end: float, seed: object) -> Windows:
    """Windows that overlap, abut, repeat, stand outside the video, and hold no frame or one."""
    rng, middle = random.Random(str(seed)), (first + end) / 2
    windows = [(-1, -0.5), (first - 0.5, first + 0.5), (end - 0.3, end + 1), (end + 1, end + 2), (end, end)]
    windows += [(middle, middle), (middle + 0.001, middle + 0.002), (middle, middle + 0.7), (middle, middle + 0.7)]
    windows += [(middle + 0.7, middle + 0.9), (middle + 1.0, middle + 1.1), (first, first), (middle - 1, end)]
    for _ in range(6):
        start = rng.uniform(first - 0.2, end)
        windows.append((start, start + rng.choice([0.01, 0.3, 1.0, 1.7])))
    return [(f"k{i}", *window) for i, window in enumerate(windows)]


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_module, "clip_encoder", NotedFrames)


@pytest.mark.parametrize("kind", KINDS)
def test_made_videos(kind: str, make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", **KINDS[kind])
    times, end, looks = decoded(path, False, 1e9)
    assert len(set(looks)) > 0.9 * len(looks), "frames must differ for this test to mean anything"
    windows = awkward(float(times[0]), float(end), kind)
    check(path, windows)
    for window in windows[::3]:
        check(path, [window])


def test_left_half_of_stereo(make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", size=(256, 64), pts=range(90), **B_FRAMES)
    check(path, awkward(0, 3, 0), left_half=True)


def test_an_edit_list_that_begins_between_keyframes(make_video: Callable[..., Path], tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", pts=range(200), **B_FRAMES)
    path = tmp_path / "edited.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                # Times below zero: the muxer writes an edit list that hides them.
                packet.pts, packet.dts = (stamp - round(2.1 / packet.time_base) for stamp in (packet.pts, packet.dts))
                packet.stream = stream
                target.mux(packet)
    times, end, _ = decoded(path, False, 1e9)
    assert 0 <= times[0] < 0.04 and len(times) < 145
    check(path, awkward(0, float(end), 1))


def test_sound_that_begins_before_the_pictures(make_video: Callable[..., Path], tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.mp4", pts=range(25, 170), **B_FRAMES)
    path = tmp_path / "sound.mp4"
    with av.open(str(silent)) as source, av.open(str(path), "w") as target:
        pictures = target.add_stream_from_template(source.streams.video[0])
        sound = target.add_stream("aac", rate=48000, layout="mono")
        for n in range(200):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.pts, frame.sample_rate, frame.time_base = 1000 + n * 1024, 48000, Fraction(1, 48000)
            target.mux(sound.encode(frame))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = pictures
                target.mux(packet)
    times, end, _ = decoded(path, False, 1e9)
    assert abs(times[0] - Fraction(25, 30)) < Fraction(1, 1000)
    check(path, awkward(float(times[0]), float(end), 2))


MATRICES = {  # what a display matrix (a, b, c, d) asks for, on rows and columns
    (1, 0, 0, 1): lambda rows: rows,
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (-1, 0, 0, -1): lambda rows: np.rot90(rows, 2),
    (0, 1, 1, 0): np.transpose,
    (0, -1, 1, 0): np.rot90,
    (0, 1, -1, 0): lambda rows: np.rot90(rows, -1),
    (0, -1, -1, 0): lambda rows: np.rot90(np.transpose(rows), 2),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_the_stored_picture_is_upright(matrix: tuple, make_video: Callable[..., Path], tmp_path: Path) -> None:
    path = make_video(tmp_path / "video.mp4", pts=range(30), rotation=90, **B_FRAMES)
    plain = make_video(tmp_path / "plain.mp4", pts=range(30), **B_FRAMES)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    a, b, c, d = (65536 * one for one in matrix)
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frames = []
    for file in (path, plain):
        with av.open(str(file)) as container:
            frame = next(container.decode(video=0))
            frames.append(FrameScaler(profile("train"), left_half=False).scale(frame, Fraction(1)))
    upright = MATRICES[matrix](frames[1].to_ndarray(format="gray"))
    stored = frames[0].to_ndarray(format="gray")
    assert stored.shape == upright.shape
    assert np.abs(stored.astype(int) - upright).mean() < 1


@pytest.mark.parametrize("path", REAL or [None], ids=lambda path: path.name if path else "none")
def test_real_videos(path: Path | None) -> None:
    if path is None:
        pytest.skip("the real videos are not here")
    until = 4.0 if path.stat().st_size > 1_500_000 else 8.0
    times, end, _ = decoded(path, False, until)
    windows = [w for w in awkward(float(times[0]), min(until, float(end)), path.name) if w[2] < float(end)]
    cut_any = [window for window in windows if window[1] > times[0]]
    assert len(cut_any) > 5
    check_part(path, windows, until)


def check_part(path: Path, windows: Windows, until: float) -> None:
    times, end, looks = decoded(path, False, until)
    cut = dict(cut_clips(path, windows, profile("train")))
    for key, start, stop in windows:
        expected = tuple(looks[i] for i in held(times, end, start, stop, 8))
        assert (getattr(cut[key], "members", ())) == expected, (key, start, stop)


@pytest.fixture(scope="module")
def small(make_video: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pts = [n + n // 40 * 13 for n in range(160)]
    path = tmp_path_factory.mktemp("small") / "video.mp4"
    return make_video(path, pts=pts, size=(64, 48), **{**B_FRAMES, "g": "25"})


TIMES = st.one_of(st.floats(-1, 9), st.integers(0, 240).map(lambda n: n / 30))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=st.lists(st.tuples(TIMES, st.sampled_from([0, 0.004, 1 / 30, 0.2, 0.5, 1.3])), min_size=1, max_size=9))
@pytest.mark.parametrize("name", ["train", "native"])
def test_any_windows(name: str, windows: list[tuple[float, float]], small: Path) -> None:
    check(small, [(f"k{i}", start, start + length) for i, (start, length) in enumerate(windows)], name=name)
