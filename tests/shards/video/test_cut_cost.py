"""What cutting decodes: only what clips need, each stretch once, in one thread."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from egocurate.shards.profiles import profile
from egocurate.shards.video.cut import EncodedClip, cut_clips
from egocurate.shards.video.cut_stats import CutStats

GOP, FPS, FRAMES = 30, 30, 1200
REORDERED = 5  # frames that the decoder holds back, at most, before it gives one out
CODEC = {"preset": "ultrafast", "g": str(GOP), "keyint_min": str(GOP), "sc_threshold": "0", "bf": "3", "b-pyramid": "2"}
Windows = list[tuple[str, float, float]]


@pytest.fixture(scope="module")
def video(make_video: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("cost") / "video.mp4", pts=range(FRAMES), size=(64, 48), **CODEC)


def stats_of(video: Path, windows: Windows, name: str = "train") -> CutStats:
    stats = CutStats()
    cut = dict(cut_clips(video, windows, profile(name), stats=stats))
    assert all(isinstance(clip, EncodedClip) for clip in cut.values())
    return stats


def some_clips(count: int, seed: int) -> Windows:
    starts = np.sort(np.random.default_rng(seed).uniform(0, FRAMES / FPS - 2, count))
    return [(f"k{i}", start, start + 1 + i % 3 / 2) for i, start in enumerate(starts.tolist())]


def test_dense_clips_with_all_their_frames_cost_one_decoded_frame_for_each_stored(video):
    stats = stats_of(video, some_clips(120, 0), "native")
    assert stats.used > 0.95 * FRAMES
    assert stats.decoded <= stats.used + GOP


def test_stretches_without_clips_are_jumped_over(video):
    windows = [(f"k{i}", second, second + 0.5) for i, second in enumerate((1.2, 10.5, 20.0, 33.9))]
    stats = stats_of(video, windows)
    assert stats.jumps == 4
    assert stats.packets <= sum(second % 1 * FPS + 15 + REORDERED for _, second, _ in windows)


def test_pictures_that_neither_a_clip_nor_another_picture_needs_are_left_out(video):
    windows = [("k", 5.0, 9.0)]
    low, all_of_them = stats_of(video, windows), stats_of(video, windows, "native")
    assert low.used == 32 and all_of_them.used == 120
    # Half the pictures of this video are referred to by none; a few of those are stored.
    assert low.decoded < 0.8 * all_of_them.decoded


OTHER_CODECS = {
    "hevc": {
        "codec": "libx265",
        "preset": "ultrafast",
        "x265-params": f"keyint={GOP}:min-keyint={GOP}:scenecut=0:bframes=4:b-pyramid=1:log-level=none",
    },
    "av1": {"codec": "libsvtav1", "preset": "11", "g": "64"},
}
OTHER_CODECS_SHARE = {"hevc": 0.8, "av1": 0.9}  # of the pictures of a stretch that are decoded, at most


@pytest.mark.parametrize("name", OTHER_CODECS)
def test_pictures_of_other_codecs_that_nothing_needs_are_left_out_too(make_video, tmp_path, name):
    video = make_video(tmp_path / f"{name}.mp4", pts=range(300), size=(64, 64), **OTHER_CODECS[name])
    windows = [("k", 2.0, 6.0)]
    low, all_of_them = stats_of(video, windows), stats_of(video, windows, "native")
    assert low.used == 32 and all_of_them.used == 120
    assert low.decoded < OTHER_CODECS_SHARE[name] * all_of_them.decoded


@pytest.mark.parametrize("tasks", [2, 5])
@pytest.mark.parametrize("seed", [0, 1])
def test_tasks_that_share_a_video_decode_little_of_it_twice(tasks, seed, video):
    windows = some_clips(60, seed)
    parts = [windows[at * 60 // tasks : (at + 1) * 60 // tasks] for at in range(tasks)]
    costs = [stats_of(video, part) for part in parts]
    bound, reached = 0.0, 0.0
    for part, cost in zip(parts, costs, strict=True):
        start, end = part[0][1], max(end for _, _, end in part)
        group = start // 1 * 1
        # A task reads from the keyframe before its first clip to the end of its last, and nothing outside.
        assert cost.packets <= (end - group) * FPS + 1 + REORDERED
        bound += (
            max(0.0, reached - group) * FPS + 1 + REORDERED
        )  # the group of pictures, and clips of both that overlap
        reached = max(reached, end)
    assert sum(cost.packets for cost in costs) <= stats_of(video, windows).packets + bound


def test_cutting_starts_no_thread(video):
    def threads() -> int:
        return len(list(Path("/proc/self/task").iterdir()))

    dict(cut_clips(video, [("k", 0.0, 0.5)], profile("train")))
    before, seen = threads(), []
    for _ in cut_clips(video, some_clips(6, 2), profile("train"), on_frame=lambda: seen.append(threads())):
        seen.append(threads())
    assert set(seen) == {before}
