import csv
import json

import numpy as np
import pytest

from egocurate.curation.labels.labeled_clips import labeled_clips
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.labels.source import LabelSource
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.curation.synthetic.script import NOUNS, VERBS
from egocurate.errors import InputError
from egocurate.labels import table_label_names
from egocurate.training.tasks.charades import read_charades


def test_epic_has_verb_noun_and_the_pair_with_epic_s_names(labeled_root):
    rows = read_annotations(labeled_root / "epic" / "EPIC_100_train.csv", ())
    clips = labeled_clips(rows, LabelSource(rows.path).videos(), {}).table
    names = table_label_names(clips.schema)
    assert names["verb"] == sorted(VERBS) and names["noun"] == sorted(NOUNS)
    first = clips.to_pylist()[0]
    verb, noun = (int(number) for number in names["action"][first["label_action"]].split(","))
    assert (verb, noun) == (first["label_verb"], first["label_noun"])
    assert first["clip_text"] == f"#C C {names['verb'][verb]} {names['noun'][noun]}"
    assert first["key"] == "P01_01-narration_pass_1-00000" and first["narration_time"] > first["clip_start"]


def test_a_pair_that_training_has_not_is_not_known(labeled_root):
    train = read_annotations(labeled_root / "epic" / "EPIC_100_train.csv", ())
    names = table_label_names(labeled_clips(train, LabelSource(train.path).videos(), {}).table.schema)
    rows = read_annotations(labeled_root / "epic" / "EPIC_100_validation.csv", ("action",))
    clips = labeled_clips(rows, LabelSource(rows.path).videos(), {"action": names["action"]})
    unseen = [pair not in names["action"] for pair in rows.labels["action"]]
    assert any(unseen) and (np.asarray(clips.table["label_action"]) == -1).tolist() == unseen
    assert clips.unknown == {"action": sum(unseen)}


def test_charades_has_a_row_for_each_action(labeled_root):
    path = labeled_root / "charades" / "CharadesEgo" / "CharadesEgo_v1_test_only1st.csv"
    rows = read_annotations(path, ())
    with path.open(newline="") as file:
        actions = next(csv.DictReader(file))["actions"].split(";")
    assert rows.uid == ["Z0002EGO"] * len(actions)
    assert rows.labels["action"] == [str(int(action[1:4])) for action in actions]
    assert rows.start.tolist() == [float(action.split()[1]) for action in actions]
    assert len(rows.names["action"]) == len(VERBS) and rows.skipped == 0


def test_actions_that_are_none_are_counted(tmp_path):
    path = tmp_path / "CharadesEgo_v1_train_only1st.csv"
    path.write_text("id,actions\nA,c001 1.0 2.5;c002 3.0 3.0;nonsense\nB,\n")
    rows = read_annotations(path, ())
    assert rows.labels == {"action": ["1"]} and rows.skipped == 2
    path.write_text("id,actions\nA,c001 9 2\n")
    with pytest.raises(InputError, match="line 2 has actions that are none; take the file as published"):
        read_annotations(path, ())


def test_state_changes_have_their_point_of_no_return_as_time(labeled_root):
    root = labeled_root / "ego4d"
    path = root / "v2" / "annotations" / "fho_oscc-pnr_train.json"
    rows = read_annotations(path, ())
    clips = labeled_clips(rows, Ego4DSource(root).videos(), {}).table.to_pylist()
    published = {clip["unique_id"]: clip for clip in json.loads(path.read_text())["clips"]}
    assert {row["label_state_change"] for row in clips} == {0, 1}
    for row in clips:
        clip = published[row["clip_text"]]
        assert row["label_state_change"] == clip["state_change"]
        assert (row["clip_start"], row["clip_end"]) == (clip["parent_start_sec"], clip["parent_end_sec"])
        if clip["state_change"]:
            assert row["narration_time"] == pytest.approx(clip["parent_pnr_frame"] / 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parent_pnr_frame": 9_999}, "clip 1 has its parent_pnr_frame outside its window"),
        ({"parent_start_sec": "0"}, "clip 1 has a start or end that is no number"),
        ({"video_uid": 3}, "clip 1 names no video"),
        ({"parent_end_sec": -1.0}, "clip 1 ends before it starts"),
    ],
)
def test_a_window_that_is_none_is_refused(tmp_path, change, message):
    clip = {"video_uid": "v", "unique_id": "u", "parent_start_sec": 0.0, "parent_end_sec": 8.0}
    clip |= {"state_change": True, "parent_pnr_frame": 60}
    path = tmp_path / "fho_oscc-pnr_val.json"
    path.write_text(json.dumps({"clips": [clip, clip | change]}))
    with pytest.raises(InputError, match=message):
        read_annotations(path, ())


def test_an_annotation_of_another_version_is_refused(tmp_path):
    path = tmp_path / "fho_oscc-pnr_val.json"
    path.write_text('{"clips": [{"video_uid": "v"}]}')
    with pytest.raises(InputError, match=r"clip 0 lacks one of video_uid, unique_id.*another version's file"):
        read_annotations(path, ())
    path.write_text('{"videos": []}')
    with pytest.raises(InputError, match="has no list `clips`"):
        read_annotations(path, ())
    epic = tmp_path / "EPIC_100_train.csv"
    epic.write_text("narration_id,video_id,stop_timestamp\nP01_01_0,P01_01,00:00:01.00\n")
    with pytest.raises(InputError, match="column 'narration_timestamp' is missing"):
        read_annotations(epic, ())


def test_the_readers_of_the_benchmarks_take_the_invented_data(labeled_root):
    epic = EpicKitchensSource(labeled_root / "epic")
    assert set(epic.videos()["split"]) == {"train", "val"} and epic.videos()["path"].notna().all()
    assert len(epic.narrations()) == sum(len(read_annotations(path, ())) for path in epic._narrated)
    benchmark = read_charades(labeled_root / "charades" / "CharadesEgo")
    assert benchmark.ids == ["Z0002EGO"] and 1 <= benchmark.labels.sum() <= 3
    ego4d = Ego4DSource(labeled_root / "ego4d").videos()
    assert set(ego4d["split"]) == {"train", "val"} and ego4d["path"].notna().all()


def test_a_label_that_a_format_has_not_is_named(labeled_root):
    path = labeled_root / "ego4d" / "v2" / "annotations" / "fho_oscc-pnr_val.json"
    with pytest.raises(InputError, match="has no label 'noun'; there are state_change"):
        read_annotations(path, ("noun",))


def test_a_test_file_without_labels_gives_unknown_ones(tmp_path):
    path = tmp_path / "fho_oscc-pnr_test_unannotated.json"
    clip = {"video_uid": "v", "unique_id": "u", "clip_id": 3, "parent_start_sec": 0.0, "parent_end_sec": 8.0}
    path.write_text(json.dumps({"clips": [clip]}))
    rows = read_annotations(path, ())
    assert rows.labels == {"state_change": [""]} and np.isnan(rows.time).all()
