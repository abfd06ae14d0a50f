"""Invented long videos: what is asked is there once, and lasts as long as it is told."""

import json
from itertools import pairwise

import numpy as np

from egocurate.curation.synthetic.long_videos import LongRootConfig, write_long_root, write_long_script
from egocurate.curation.synthetic.script import ACTION_SEC


def test_a_moment_is_an_action_done_over_and_over_and_no_other_is_of_the_same_action():
    script, planted = write_long_script(np.random.default_rng(3), 120.0)
    assert len(planted) > 10
    assert len({(moment.verb, moment.noun) for moment in planted}) == len(planted)
    for moment in planted:
        inside = [a for a in script.actions if moment.start_sec < a.time_sec < moment.end_sec]
        assert {(a.verb, a.noun) for a in inside} == {(moment.verb, moment.noun)}
        assert np.isclose(len(inside) * ACTION_SEC, moment.end_sec - moment.start_sec)
    assert all(a.end_sec < b.start_sec for a, b in pairwise(planted))
    assert planted[-1].end_sec <= 120.0


def test_files_and_videos_are_those_of_ego4d(tmp_path):
    config = LongRootConfig(train=1, val=1, video_sec=16.0, side=32, fps=5)
    write_long_root(tmp_path, config)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    write_long_root(tmp_path, config)  # stays
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for split in ("train", "val"):
        [video] = json.loads((tmp_path / "v2" / "annotations" / f"nlq_{split}.json").read_text())["videos"]
        assert (tmp_path / "v2" / "full_scale" / f"{video['video_uid']}.mp4").stat().st_size > 1000
        [same] = json.loads((tmp_path / "v2" / "annotations" / f"moments_{split}.json").read_text())["videos"]
        assert same["clips"][0]["clip_uid"] == video["clips"][0]["clip_uid"]
        assert video["clips"][0]["annotations"][0]["language_queries"]
