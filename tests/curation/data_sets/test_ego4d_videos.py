"""Which videos of Ego4D's segments are held out: those that Ego4D's own source holds out, wherever the files lie."""

import json

import pytest

from egocurate.curation.sources.open import open_source
from egocurate.errors import InputError

ACTION = {"start_sec": 0, "end_sec": 8, "narration_text": "#C C cuts the long rope", "narration_timestamp_sec": 4}
STEP = {"start_time": 1, "end_time": 5, "step_description": "cuts the rope", "segments": []}
SPLITS = {"train": {"split_av": "train"}, "val": {"split_em": "val"}, "listed": {"split_fho": "multi"}, "both": {}}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def download(root):
    """Write what the ego4d client writes: of four videos, one is held out by each of the two rules, and one by both."""
    entries = [{"video_uid": uid, "duration_sec": 30.0} | fields for uid, fields in SPLITS.items()]
    together = [{"valid": True, "videos": [{"video_uid": "train"}, {"video_uid": "listed"}]}]
    write(root / "ego4d.json", {"videos": entries, "concurrent_video_sets": together})
    annotations = root / "v2/annotations"
    of_video = {"annotated_intervals": [{"narrated_actions": [ACTION]}]}
    write(annotations / "fho_main.json", {"videos": [{"video_uid": uid} | of_video for uid in SPLITS]})
    write(annotations / "fho_lta_val.json", {"clips": [{"video_uid": "listed"}, {"video_uid": "both"}]})
    write(annotations / "nlq_test_unannotated.json", {"videos": [{"video_uid": "both"}]})
    narrated = {"narration_pass_1": {"narrations": [{"timestamp_sec": 4, "narration_text": "#C C cuts the long rope"}]}}
    write(annotations / "narration.json", dict.fromkeys(SPLITS, narrated))
    return annotations


def splits(source):
    return source.videos().set_index("video_uid")["split"].to_dict()


@pytest.mark.parametrize("place", [".", "v2", "v2/annotations", "v2/annotations/fho_main.json"])
def test_fho_holds_out_what_the_narrations_of_ego4d_hold_out(place, tmp_path):
    download(tmp_path)
    source = open_source("fho", tmp_path / place)
    assert splits(source) == splits(open_source("ego4d", tmp_path))
    assert splits(source) == {"train": "train", "val": "val", "listed": "val", "both": "test"}
    assert {"ego4d/ego4d.json", "ego4d/v2/annotations/fho_lta_val.json"} <= set(source.fingerprint())
    assert any("3 of the videos are val or test" in note for note in source.notes())
    scene = source.videos().set_index("video_uid")["scene"]
    assert scene["train"] == scene["listed"] != scene["val"]


def test_fho_is_not_read_where_nothing_tells_what_is_held_out(tmp_path):
    download(tmp_path)
    (tmp_path / "v2/annotations/fho_main.json").rename(tmp_path.parent / "fho_main.json")
    with pytest.raises(InputError, match=r"no ego4d.json in it .* put the one that the ego4d client wrote beside"):
        open_source("fho", tmp_path.parent / "fho_main.json")


def test_the_newest_of_several_versions_is_read(tmp_path):
    write(tmp_path / "v1/annotations/fho_main.json", {"videos": []})
    download(tmp_path)
    assert list(open_source("fho", tmp_path).segments.files) == ["v2/annotations/fho_main.json"]


def test_goal_step_holds_out_what_another_benchmark_holds_out(tmp_path):
    annotations = download(tmp_path)
    write(
        annotations / "goalstep_train.json",
        {"videos": [{"video_uid": uid, "segments": [STEP]} for uid in ("train", "both")]},
    )
    assert splits(open_source("goal-step", tmp_path)) == {"train": "train", "both": "test"}
    assert splits(open_source("goal-step", annotations / "goalstep_train.json"))["both"] == "test"
