"""Invented long videos: what is asked is there once, and lasts as long as it is told."""

import json
from collections import Counter
from itertools import pairwise

import numpy as np

from egocurate.curation.synthetic.long_videos import LongRootConfig, write_long_root, write_long_script
from egocurate.curation.synthetic.script import ACTION_SEC


def test_a_moment_is_an_action_done_over_and_over_and_no_other_is_of_the_same_action():
    script, [planted] = write_long_script(np.random.default_rng(3), 120.0)
    assert len(planted) > 10
    assert len({(moment.verb, moment.noun) for moment in planted}) == len(planted)
    for moment in planted:
        inside = [a for a in script.actions if moment.start_sec < a.time_sec < moment.end_sec]
        assert {(a.verb, a.noun) for a in inside} == {(moment.verb, moment.noun)}
        assert np.isclose(len(inside) * ACTION_SEC, moment.end_sec - moment.start_sec)
    assert all(a.end_sec < b.start_sec for a, b in pairwise(planted))
    assert planted[-1].end_sec <= 120.0


def test_each_clip_of_a_long_video_has_moments_of_its_own_and_leaves_another_object_alone():
    script, clips = write_long_script(np.random.default_rng(3), 180.0, 7)
    assert script.duration_sec == 7 * 180 and len(clips) == 7
    alone = [set(script.objects) - {moment.noun for moment in planted} for planted in clips]
    assert all(len(objects) == 1 for objects in alone) and all(a != b for a, b in pairwise(alone))
    for number, planted in enumerate(clips):
        assert len(planted) > 20 and len({(moment.verb, moment.noun) for moment in planted}) == len(planted)
        assert number * 180 < planted[0].start_sec and planted[-1].end_sec <= (number + 1) * 180
    every = [moment for planted in clips for moment in planted]
    assert all(a.end_sec < b.start_sec for a, b in pairwise(every))
    assert len({(moment.verb, moment.noun) for moment in every}) < len(every)  # a later clip does it again
    for moment in every:
        inside = [a for a in script.actions if moment.start_sec < a.time_sec < moment.end_sec]
        assert {(a.verb, a.noun) for a in inside} == {(moment.verb, moment.noun)}


def test_answers_are_told_in_seconds_of_the_clip_and_of_the_video(tmp_path, monkeypatch):
    monkeypatch.setattr("egocurate.curation.synthetic.long_videos.render_all", lambda *_, **__: None)
    write_long_root(tmp_path, LongRootConfig(train=2, val=1, clips=3, clip_sec=60.0))
    files = {(name, split) for name in ("nlq", "moments") for split in ("train", "val")}
    told = {
        one: json.loads((tmp_path / "v2" / "annotations" / "_".join(one)).with_suffix(".json").read_text())
        for one in files
    }
    names = Counter()
    for (name, _), content in told.items():
        for video in content["videos"]:
            spans = [(clip["video_start_sec"], clip["video_end_sec"]) for clip in video["clips"]]
            assert spans == [(0, 60), (60, 120), (120, 180)]
            for clip in video["clips"]:
                [annotation] = clip["annotations"]
                names.update((clip["clip_uid"], annotation.get("annotation_uid") or annotation["annotator_uid"]))
                for one in annotation["language_queries"] if name == "nlq" else annotation["labels"]:
                    keys = ("clip_{}_sec", "video_{}_sec") if name == "nlq" else ("{}_time", "video_{}_time")
                    for side in ("start", "end"):
                        in_clip, in_video = (one[key.format(side)] for key in keys)
                        assert 0 < in_clip <= 60 and np.isclose(in_video, in_clip + clip["video_start_sec"])
    assert sorted(names.values()) == [1] * 18 + [2] * 9  # annotations, and clips, which both files have


def test_files_and_videos_are_those_of_ego4d(tmp_path):
    config = LongRootConfig(train=1, val=1, clip_sec=16.0, side=32, fps=5)
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
