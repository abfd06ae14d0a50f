import numpy as np
import pyarrow as pa
import pytest

from egocurate.progress import Stage
from egocurate.shards.write.cut_rate import CutRate, core_seconds, covered_seconds


def test_covered_seconds_are_those_that_a_grid_counts():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 300, 200)
    end = start + rng.integers(1, 20, 200)
    video = rng.choice(["b", "a", "c"], 200)
    grid = {uid: np.zeros(400, bool) for uid in "abc"}
    for uid, first, last in zip(video, start, end, strict=True):
        grid[uid][first:last] = True
    table = pa.table({"video_uid": video.tolist(), "clip_start": start / 1.0, "clip_end": end / 1.0})
    assert covered_seconds(table) == sum(seconds.sum() for seconds in grid.values())
    assert covered_seconds(table.slice(0, 0)) == 0


def test_the_guess_of_the_work_knows_small_videos_from_large_ones():
    starts = np.arange(0.0, 1000.0, 10.0)
    clips = pa.table({"clip_start": starts, "clip_end": starts + 5.0})
    assert core_seconds(clips) == pytest.approx(500 / 5 + 100 * 0.02)
    assert core_seconds(clips, 1e12) == core_seconds(clips)
    assert core_seconds(clips, 5e6) == pytest.approx(2 + 100 * 0.02)


def test_a_rate_is_of_this_run_alone():
    now = [10.0]
    rate = CutRate(1000, clock=lambda: now[0])
    assert str(rate) == ""
    now[0] = 20.0
    rate.add(100, 0, 500.0)
    assert str(rate) == "10.0 clips/s, 50.0 h of video/h, 90 s left"
    rate.add(100, 7, 300.0)
    now[0] = 10010.0
    assert str(rate) == "0.0 clips/s, 0.1 h of video/h, 7 failed, 11 h 07 min left"
    assert rate.clips_left == 800


def test_a_stage_with_a_note_is_its_name():
    stage = Stage("cutting clips", "fast")
    assert stage == "cutting clips" and {stage: 1}["cutting clips"] == 1 and stage.note == "fast"
