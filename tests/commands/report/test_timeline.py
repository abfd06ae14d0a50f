"""The timeline: the windows that it recomputes are those of the run, and every narration of the stretch is there."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from egocurate.commands.report.clips import with_usable_time
from egocurate.commands.report.timeline import LEFT, NARRATIONS, SEGMENTS, WIDTH, Pass, draw, read_pass, stretches
from egocurate.curation.clips.egoclip import build_egoclip
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource


@pytest.mark.parametrize("window", ["egoclip", "adaptive", "neighbours"])
def test_the_windows_are_those_that_the_run_cuts(tiny_root, window):
    made = build_egoclip(Ego4DSource(tiny_root), EgoClipConfig(window=window))
    timed = with_usable_time(made.rejected)
    for row in made.table.group_by(["video_uid", "narration_source"]).aggregate([]).to_pylist():
        one = read_pass(made.table, timed, row["video_uid"], row["narration_source"])
        start, end = one.windows(made.beta)[window]
        place = {key: i for i, key in enumerate(one.key)}
        clips = [clip for clip in made.table.to_pylist() if clip["key"] in place]
        assert len(clips) == one.why.count("") > 0
        for clip in clips:
            at = place[clip["key"]]
            assert (start[at], end[at]) == pytest.approx((clip["clip_start"], clip["clip_end"]), abs=2e-6)


def test_stretches_are_of_passes_that_lost_narrations_first(made):
    table, rejected = pq.read_table(made / "egoclip.parquet"), pq.read_table(made / "rejected.parquet")
    gaps = json.loads((made / "egoclip.run.json").read_text())["counts"]["beta"]
    drawn = stretches(table, rejected, "egoclip", gaps, np.random.default_rng(0))
    with_clips = set(table["video_uid"].to_pylist())
    lost = with_usable_time(rejected).to_pylist()
    passes = {(row["video_uid"], row["narration_source"]) for row in lost if row["video_uid"] in with_clips}
    assert passes
    for stretch in drawn[: len(passes)]:
        assert any(point.why for point in stretch.points)
        assert (stretch.video_uid, stretch.source) in passes
    assert [lane.name for lane in drawn[0].lanes] == list(WINDOWS)
    assert [lane.name for lane in drawn[0].lanes if lane.used] == ["egoclip"]


def test_a_stretch_holds_what_was_left_out_with_its_reason_and_no_window():
    count = 30
    why = ["unsure" if i == 20 else "" for i in range(count)]
    one = Pass("v", "narration_pass_1", np.arange(count) * 2.0, ["#C C cuts"] * count, ["k"] * count, why, 60.0)
    stretch = draw(one, "egoclip", {"alpha": 4.9})
    assert len(stretch.points) == NARRATIONS
    (left_out,) = [point for point in stretch.points if point.why]
    assert (left_out.time, left_out.about) == ("40.00 s", "Annotator marked the text as unsure.")
    for lane in stretch.lanes:
        assert len(lane.windows) == NARRATIONS - 1
        assert all(bar.x >= LEFT and bar.x + bar.width <= WIDTH for bar in lane.windows)
    assert [point.x for point in stretch.points] == sorted(point.x for point in stretch.points)


def test_a_pass_of_one_narration_is_drawn_with_the_mean_gap_of_the_run():
    one = Pass("v", "narration_pass_1", np.array([3.0]), ["#C C cuts"], ["k"], [""], 60.0)
    start, end = one.windows({"alpha": 4.9, "mean": 9.8})["egoclip"]
    assert (start[0], end[0]) == pytest.approx((2.0, 4.0))
    assert len(draw(one, "egoclip", {"alpha": 4.9}).points) == 1


def test_a_window_beyond_the_video_is_not_drawn():
    time = np.array([50.0, 59.0, 80.0])  # the last is kept only without the filter beyond_video
    one = Pass("v", "narration_pass_1", time, ["#C C cuts"] * 3, ["k"] * 3, [""] * 3, 60.0)
    (lane,) = [lane for lane in draw(one, "egoclip", {"alpha": 4.9}).lanes if lane.name == "alpha-after"]
    assert [window.about for window in lane.windows] == [
        "1: 50.00 to 54.90 s, 4.90 s long",
        "2: 59.00 to 60.00 s, 1.00 s long",
    ]


def test_segments_are_drawn_as_the_data_give_them(made):
    table, rejected = pq.read_table(made / "egoclip.parquet"), pq.read_table(made / "rejected.parquet")
    clips = {row["key"]: row for row in table.to_pylist()}
    for stretch in stretches(table, rejected, SEGMENTS, {}, np.random.default_rng(0)):
        (lane,) = stretch.lanes
        assert (lane.name, lane.used, lane.about) == (SEGMENTS, True, "Start and end as the data give them.")
        kept = [point for point in stretch.points if not point.why]
        assert len(lane.windows) == len(kept) > 0
        for point, bar in zip(kept, lane.windows, strict=True):
            clip = clips[point.key]
            assert bar.about.startswith(f"{point.number}: {clip['clip_start']:.2f} to {clip['clip_end']:.2f} s, ")


def test_without_rejected_rows_a_pass_is_its_clips(made):
    table = pq.read_table(made / "egoclip.parquet")
    first = table.slice(0, 1).to_pylist()[0]
    nothing = pq.read_table(made / "rejected.parquet")[:0]
    one = read_pass(table, nothing, first["video_uid"], first["narration_source"])
    assert set(one.why) == {""}
    assert len(one.time) == len(one.key) > 1
