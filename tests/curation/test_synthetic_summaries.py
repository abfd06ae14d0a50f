"""Invented summaries: the form is the published one, and what they show is what was asked for."""

import numpy as np

from egocurate.curation.synthetic.summary_videos import (
    SummaryRootConfig,
    shots_of,
    summary_of,
    write_activities,
    write_summary_root,
)


def test_a_summary_shows_shots_of_both_things_before_those_of_one():
    shots = [{"Cup"}, {"Cup", "Box"}, set(), {"Box"}] * 25
    assert summary_of(shots, ("Box", "Cup")) == [2, 98]  # both, the first and the last of them
    assert summary_of([{"Cup"}, set(), {"Box"}] * 20, ("Box", "Cup")) == [1]
    assert summary_of(shots, ("Ball", "Brush")) == []


def test_two_things_are_handled_for_a_while_and_each_shot_tells_which():
    script = write_activities(np.random.default_rng(1), 300.0)
    shots = shots_of(script)
    assert len(shots) == 60 and 3 < len(set().union(*shots)) <= 5
    assert np.mean([len(shot) for shot in shots]) > 1
    for action in script.actions[:-1]:
        assert action.noun.capitalize() in shots[int(action.time_sec / 5)]


def test_files_are_as_published(tmp_path):
    config = SummaryRootConfig(videos=2, video_sec=30.0, side=32, fps=5)
    write_summary_root(tmp_path, config)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_summary_root(tmp_path, config)  # stays
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["P01.mp4", "P02.mp4"]
    assert len((tmp_path / "Dense_per_shot_tags" / "P01" / "P01.txt").read_text().splitlines()) == 6
    assert list((tmp_path / "Query-Focused_Summaries" / "Oracle_Summaries" / "P02").glob("*_*_oracle.txt"))
