import gzip
import json

import pandas as pd
import pytest

from egocurate.curation.sources.open import open_source
from egocurate.errors import InputError


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    data = (content if isinstance(content, str) else json.dumps(content)).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def rows(source):
    table = source.segments.table
    return list(
        table[["video_uid", "narration_source", "start_sec", "end_sec", "text", "split"]].itertuples(index=False)
    )


def step(start, end, text, *below):
    return {"start_time": start, "end_time": end, "step_description": text, "segments": list(below)}


def test_goal_step_gives_each_level_as_a_pass(tmp_path):
    videos = [
        {"video_uid": "v1", "segments": [step(0, 9, "Makes tea", step(1, 3, "boils water"), step(3, 2, "bad"))]},
        {"video_uid": "grp-2", "end_time": 20.5, "segments": [step(2, 4, "Cleans up")]},
    ]
    write(tmp_path / "data/goalstep_valid.json.gz", {"split": "val", "videos": videos})
    write(tmp_path / "data/goalstep_test.json", {"videos": [{"video_uid": "v3", "step_segments": []}]})
    source = open_source("goal-step", tmp_path)
    assert rows(source) == [
        ("v1", "step", 0, 9, "Makes tea", "val"),
        ("v1", "substep", 1, 3, "boils water", "val"),
        ("grp-2", "step", 2, 4, "Cleans up", "val"),
    ]
    assert any("1 entries are no segments" in note for note in source.notes())
    assert source.videos()["video_dur"].tolist()[1:] == [20.5]
    assert list(source.fingerprint()) == ["data/goalstep_valid.json.gz", "ego4d/goalstep_test.json"]


def test_fho_is_from_pre_to_post_frame_at_the_point_of_no_return(tmp_path):
    actions = [
        {
            "is_valid_action": True,
            "start_sec": 0,
            "end_sec": 8,
            "narration_text": "#C C cuts the rope",
            "critical_frames": {"pre_frame": 60, "contact_frame": 70, "pnr_frame": 75, "post_frame": 90},
        },
        {"start_sec": 8, "end_sec": 16, "narration_text": "#C C waves", "narration_timestamp_sec": 12.0},
        {"is_valid_action": False, "start_sec": 8, "end_sec": 16, "narration_text": "#C C sits"},
    ]
    video = {"video_uid": "v1", "annotated_intervals": [{"narrated_actions": actions}, {"narrated_actions": None}]}
    write(tmp_path / "fho_main.json", {"videos": [video]})
    write(tmp_path / "ego4d.json", {"videos": [{"video_uid": "v1", "duration_sec": 20.5}]})
    source = open_source("fho", tmp_path / "fho_main.json")
    assert rows(source) == [
        ("v1", "change", 2, 3, "#C C cuts the rope", ""),
        ("v1", "action", 8, 16, "#C C waves", ""),
    ]
    assert source.segments.table["narration_time"].tolist() == [2.5, 12.0]
    assert source.segments.skipped == 1
    assert source.videos()["video_dur"].tolist() == [20.5]


def test_egoexolearn_counts_a_segment_once_and_folds_coarse_steps(tmp_path):
    fine = "annotation_id,start_sec,end_sec,narration_en,video_uid\na,1,2.5,Lift the lid.,v1\nb,3,4,,v1\n"
    write(
        tmp_path / "annotations/fine_annotation_trainval.csv",
        fine.replace("\n", ",train\n").replace("uid,train", "uid,subset"),
    )
    write(tmp_path / "association/annotations/exo_train.csv", fine + "c,5,6,Stir the soup.,v2\n")
    write(tmp_path / "annotations/fine_annotation_test.csv", "video_uid,start_sec,end_sec\nv9,1,2\n")
    write(tmp_path / "l1/v2.json", [{"start": 0, "end": 9, "textAttribute_en": "1. Wash.\n2. Cut."}])
    source = open_source("egoexolearn", tmp_path)
    assert rows(source) == [
        ("v1", "fine", 1, 2.5, "Lift the lid.", "train"),
        ("v2", "fine", 5, 6, "Stir the soup.", ""),
        ("v2", "coarse", 0, 9, "1. Wash. 2. Cut.", ""),
    ]
    with pytest.raises(InputError, match="has no columns narration_en, start_sec, end_sec; clone"):
        open_source("egoexolearn", tmp_path / "annotations/fine_annotation_test.csv")


def labels(source):
    table = source.segments.table
    kinds = [name for name in table.columns if name.startswith("label_")]
    return {name: [None if pd.isna(one) else one for one in table[name]] for name in kinds}


def test_egoexolearn_has_labels_where_a_set_has_one_class(tmp_path):
    sets = "annotation_id,start_sec,end_sec,narration_en,video_uid,verb,noun\n"
    sets += 'a,1,2.5,Lift the lid.,v1,[1],"[0, 2]"\nb,3,4,Stir,v1,[],[0]\n'
    write(
        tmp_path / "annotations/fine_annotation_trainval_en.csv",
        "video_uid,start_sec,end_sec,narration_en\nv1,1.0,2.50,Lift the lid.\n",
    )
    write(
        tmp_path / "annotations/narration_verb_taxonomy.csv",
        "label,group\nstir,['stir']\nlift_(raise),\"['lift','raise']\"\n",
    )
    write(tmp_path / "annotations/narration_noun_taxonomy.csv", "label,group\nlid,['lid']\npot,['pot']\npan,['pan']\n")
    write(tmp_path / "association/annotations/exo_train.csv", sets)
    source = open_source("egoexolearn", tmp_path)
    assert labels(source) == {"label_verb": ["lift_(raise)", None], "label_noun": [None, "lid"]}
    assert source.segments.table["label_noun"].cat.categories.tolist() == ["lid", "pot", "pan"]
    assert source.lexicon_dir() == tmp_path / "annotations"
    assert "label verb: 2 classes, not known for 1 segments" in source.notes()
    write(tmp_path / "association/annotations/exo_train.csv", sets.replace("[1]", "[2]"))
    with pytest.raises(InputError, match=r"verb of 1 of 2 rows is not among the 2 names \('2'; first"):
        open_source("egoexolearn", tmp_path)


@pytest.mark.parametrize("name", ["HD_EPIC_Narrations.csv", "HD_EPIC_Narrations.parquet"])
def test_hd_epic_has_labels_where_a_narration_has_one_main_action(name, tmp_path):
    rows = [("P01-1", 1.5, 2.25, "Open it", [(3, 1)]), ("P01-1", 3, 4, "Take and put", [(0, 1), (1, 1)])]
    columns = ["video_id", "start_timestamp", "end_timestamp", "narration", "main_action_classes"]
    table = pd.DataFrame(rows, columns=columns)
    (tmp_path / "n").mkdir()
    table.to_csv(tmp_path / "n" / name) if name.endswith("csv") else table.to_parquet(tmp_path / "n" / name)
    write(tmp_path / "n/HD_EPIC_verb_classes.csv.gz", "id,key,instances\n0,take,\n1,put,\n2,wash,\n3,open,\n")
    write(tmp_path / "n/HD_EPIC_noun_classes.csv", "ID,Key,Instances\n0,tap,\n1,cup,\n")
    write(
        tmp_path / "complete_recipes.json",
        {
            "R": {
                "steps": {"S": "Boil water"},
                "captures": [{"step_times": {"S": [{"video": "P01-1", "start": 3.0, "end": 4.0}]}}],
            }
        },
    )
    for root in (tmp_path, tmp_path / "n" / name):
        source = open_source("hd-epic", root)
        unknown = [None] * (len(source.segments) - 1)
        assert labels(source) == {
            "label_verb": ["open", *unknown],
            "label_noun": ["cup", *unknown],
            "label_action": ["3,1", *unknown],
        }


def test_hd_epic_has_narrations_steps_and_activities(tmp_path):
    narrations = "video_id,start_timestamp,end_timestamp,narration\nP01-1,1.5,2.25,Open the upper cupboard\n"
    activities = "video_id,recipe_id,high_level_activity_label,start_time,end_time\n"
    activities += "P01-1,R01,Make tea,0:00,1:02\nP01-1,,Tidy,62,end\n"
    time = {"video": "P01-1", "start": 3.0, "end": 4.0}
    recipe = {"steps": {"S1": "Boil water"}, "captures": [{"step_times": {"S1": [time, 7]}, "prep_times": None}]}
    write(tmp_path / "narrations/HD_EPIC_Narrations.csv", narrations)
    write(tmp_path / "high-level/activities/P01_recipe_timestamps.csv", activities)
    write(tmp_path / "youtube/HD_EPIC_YouTube_URLs.csv", "video_id,youtube_url,duration\nP01-1,u,80.5\n")
    write(tmp_path / "high-level/complete_recipes.json", {"P01_R01": recipe})
    source = open_source("hd-epic", tmp_path)
    assert rows(source) == [
        ("P01-1", "narration", 1.5, 2.25, "#C C Open the upper cupboard", ""),
        ("P01-1", "step", 3, 4, "Boil water", ""),
        ("P01-1", "activity", 0, 62, "Make tea", ""),
        ("P01-1", "activity", 62, 80.5, "Tidy", ""),
    ]
    assert source.segments.skipped == 1
    assert source.videos()["video_dur"].tolist() == [80.5]


def test_narrations_that_hd_epic_withdraws_are_left_out(tmp_path):
    header = "unique_narration_id,video_id,start_timestamp,end_timestamp,narration\n"
    said = "P01-1-1,P01-1,0,1, Open it.\nP01-1-2,P01-1,1,2,Close it.\n"
    write(tmp_path / "n/HD_EPIC_Narrations.csv", header + said)
    write(tmp_path / "n/HD_EPIC_Narrations_erratum.csv", "erratum_narration_id\nP01-1-2\nP01-1-7\n")
    for root in (tmp_path, tmp_path / "n/HD_EPIC_Narrations.csv"):
        source = open_source("hd-epic", root)
        assert [row[4] for row in rows(source)] == ["#C C Open it."]
        assert source.segments.skipped == 1
    assert "n/HD_EPIC_Narrations_erratum.csv" in open_source("hd-epic", tmp_path).fingerprint()


def test_the_pickle_of_hd_epic_is_never_opened(tmp_path):
    write(tmp_path / "n/HD_EPIC_Narrations.pkl", "cos\nsystem\n(S'touch run'\ntR.")
    for root in (tmp_path, tmp_path / "n/HD_EPIC_Narrations.pkl"):
        with pytest.raises(InputError, match="is a pickle, which may run code"):
            open_source("hd-epic", root)


def egtea_root(root):
    write(root / "action_idx.txt", "Inspect/Read recipe 1\nSpread oil,bread,eating_utensil 2\n")
    write(root / "train_split1.txt", "P01-R01-Soup-66680-68130-F001597-F001639 2 3 4 5 1\n")
    write(root / "test_split1.txt", "P02-R03-Tea-1000-2500-F000024-F000060 1 1 2\n")


def test_egtea_reads_times_from_the_names_of_clips(tmp_path):
    egtea_root(tmp_path)
    assert rows(open_source("egtea", tmp_path)) == [
        ("P02-R03-Tea", FIRST, 1, 2.5, "#C C inspect or read recipe", "test"),
        ("P01-R01-Soup", FIRST, 66.68, 68.13, "#C C spread oil and the bread and the eating utensil", "train"),
    ]
    write(tmp_path / "test_split1.txt", "P02-R03-Tea 1 1 2\n")
    with pytest.raises(InputError, match=r"test_split1.txt: line 1 is 'P02-R03-Tea 1 1 2', not a clip"):
        open_source("egtea", tmp_path)


def test_labels_of_egtea_are_the_numbers_after_a_clip(tmp_path):
    egtea_root(tmp_path)
    write(tmp_path / "verb_idx.txt", "Inspect/Read 1\nPut 2\nSpread 3\n")
    source = open_source("egtea", tmp_path)
    found = source.segments.table
    assert found["label_action"].tolist() == ["Inspect/Read recipe", "Spread oil,bread,eating_utensil"]
    assert found["label_verb"].tolist() == ["Inspect/Read", "Spread"]
    assert found["label_noun"].astype(object).fillna("").tolist() == ["2", ""]  # no list of nouns; one noun, then three
    assert "verb_idx.txt" in source.fingerprint()
    write(tmp_path / "action_idx.txt", "Inspect/Read recipe\nCut onion\n")
    with pytest.raises(InputError, match=r"action_idx.txt: is no list of names, each with its number"):
        open_source("egtea", tmp_path)


FIRST = "narration_pass_1"


def test_egovid_counts_frames_at_thirty_a_second(tmp_path):
    table = "video_id,name,llava_cap\nab-1_30_150,open drawer,A hand opens a drawer.\nab-1_150_270.mp4,,A cup.\n"
    write(tmp_path / "egovid-text.csv", table)
    write(tmp_path / "egovid-val.csv", "video_id,name,llava_cap\nab-1_30_150,open drawer,again\ncd_0_120,pour milk,\n")
    source = open_source("egovid", tmp_path)
    assert rows(source) == [
        ("ab-1", FIRST, 1, 5, "open drawer", "val"),  # in both files: held out in one is held out
        ("cd", FIRST, 0, 4, "pour milk", "val"),
        ("ab-1", FIRST, 5, 9, "A cup.", "train"),
    ]
    assert source.segments.table["captions"].tolist() == [["again"], [], []]
    write(tmp_path / "egovid-val.csv", "video_id,name\nab-1,open drawer\n")
    with pytest.raises(InputError, match="line 2: video_id has 'ab-1', not uid_startframe_endframe"):
        open_source("egovid", tmp_path)


def test_egovid_has_the_scores_that_its_files_have(tmp_path):
    table = "video_id,name,ti_sim,ii_sim,dover_score,flow_mean\n"
    table += 'ab_0_120,open drawer,"[0.25, 0.35]","0.5,0.7",0.75,3\nab_120_240,pour milk,,,,\n'
    write(tmp_path / "egovid-text.csv", table)
    write(tmp_path / "egovid-val.csv", "video_id,name\ncd_0_120,pour milk\n")
    found = open_source("egovid", tmp_path).narrations()
    scores = found[[name for name in found if name.startswith("score_")]]
    assert scores.columns.tolist() == ["score_dover_score", "score_ti_sim", "score_ii_sim", "score_flow_mean"]
    is_scored = found["narration_text"] == "open drawer"
    assert scores[is_scored].iloc[0].tolist() == pytest.approx([0.75, 0.3, 0.6, 3])
    assert scores[~is_scored].isna().all(axis=None)


def test_speech_is_read_as_howto100m_has_it(tmp_path):
    said = {"v1": {"start": [0.5, 2], "end": [2, 3.5], "text": ["we cut the leek", "  "]}}
    write(tmp_path / "caption.json", said)
    source = open_source("speech", tmp_path / "caption.json")
    assert rows(source) == [("v1", "speech", 0.5, 2, "we cut the leek", "")]
    assert source.segments.skipped == 1
    write(tmp_path / "caption.json", {"v1": {"start": [1], "end": [], "text": ["a"]}})
    with pytest.raises(InputError, match="'v1' has no start, end and text of one length"):
        open_source("speech", tmp_path / "caption.json")


@pytest.mark.parametrize("kind", ["goal-step", "fho", "egoexolearn", "hd-epic", "egtea", "egovid", "ego-exo4d"])
def test_a_folder_without_the_files_says_where_to_get_them(kind, tmp_path):
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"get|clone") as error:
            open_source(kind, root)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("kind", "name"), [("goal-step", "goalstep_val.json"), ("fho", "fho_main.json")])
@pytest.mark.parametrize("content", ["", "[", "3", "[]", '{"videos": 3}', '{"videos": [{"annotated_intervals": 1}]}'])
def test_files_that_are_none_are_refused_in_a_line(kind, name, content, tmp_path):
    write(tmp_path / name, content)
    with pytest.raises(InputError):
        open_source(kind, tmp_path)


def exo_root(root, hidden=False, unsure=True):
    takes = [
        {
            "take_uid": "t1",
            "take_name": "cook_1",
            "root_dir": "takes/cook_1",
            "duration_sec": 90.5,
            "parent_task_name": "Cooking",
            "frame_aligned_videos": {
                "cam01": {"0": {"relative_path": "frame_aligned_videos/cam01.mp4"}},
                "aria01": {"rgb": {"relative_path": "frame_aligned_videos/aria01_214-1.mp4"}},
            },
        }
    ]
    point = {"timestamp": 4.5, "text": "C lifts the lid.", "subject": "C", "ego_visible": True, "unsure": False}
    descriptions = [
        point,
        point | {"timestamp": 6, "ego_visible": hidden},
        point | {"text": "Man A waves", "subject": "O", "unsure": unsure},
    ]
    said = {"t1": [{"rejected": True, "descriptions": [point]}, {"rejected": False, "descriptions": descriptions}]}
    write(root / "takes.json", takes)
    write(root / "annotations/atomic_descriptions_val.json", {"annotations": said})
    comment = {"video_time": 30.25, "text": " Good grip.", "duration_approx": 4.0, "error": False}
    comments = [{"commentary": "cook_1/abc123", "commentary_data": [comment, comment | {"error": True}]}]
    write(root / "annotations/expert_commentary_train.json", {"annotations": {"t1": comments * 2}})
    (root / "takes/cook_1/frame_aligned_videos").mkdir(parents=True)
    (root / "takes/cook_1/frame_aligned_videos/aria01_214-1.mp4").write_bytes(b"")


@pytest.mark.parametrize(("hidden", "unsure"), [(False, True), ("0", "1")])  # its documentation shows both
def test_ego_exo4d_gives_points_of_the_ego_camera(tmp_path, hidden, unsure):
    exo_root(tmp_path, hidden, unsure)
    source = open_source("ego-exo4d", tmp_path)
    assert source.narrations().values.tolist() == [
        ["t1", "narration_pass_2", 0, 4.5, "#C C lifts the lid."],
        ["t1", "narration_pass_2", 1, 4.5, "#O Man A waves #unsure"],
    ]
    video = source.videos().iloc[0]
    assert (video["video_dur"], video["split"], video["scenarios"]) == (90.5, "val", ["Cooking"])
    assert video["path"].endswith("takes/cook_1/frame_aligned_videos/aria01_214-1.mp4")
    assert "1 rejected annotations left out" in source.notes()
    assert "1 descriptions of what the ego camera does not see left out" in source.notes()


def test_experts_of_ego_exo4d_are_passes_with_numbers_of_their_own(tmp_path):
    exo_root(tmp_path)
    source = open_source("ego-exo4d-experts", tmp_path)
    assert source.narrations().values.tolist() == [
        ["t1", "expert_abc123", 0, 30.25, "Good grip."],
        ["t1", "expert_abc123", 1, 30.25, "Good grip."],
    ]
    assert pd.unique(source.videos()["split"]).tolist() == ["train"]
