import ast
import gzip
import math
from pathlib import Path

import pandas as pd
import pytest

from egocurate.curation.clips.egoclip import build_egoclip
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.epic_kitchens import EpicKitchensSource
from egocurate.curation.sources.videos_table import VIDEO_COLUMNS
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.errors import InputError

REAL = Path(__file__).parents[3] / "../shared/data/epic-kitchens-100"

LABEL_HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes"
)
VERBS = "id,key,instances,category\n0,take,\"['take', 'pick-up']\",x\n1,turn-on,\"['turn-on', 'switch-on']\",x\n"
NOUNS = (
    "id,key,instances,category\n0,tap,\"['tap', 'tap:water']\",x\n1,board:chopping,\"['board:chopping', 'board']\",x\n"
    "2,lid,\"['lid', 'lid:frying:pan']\",x\n3,pan,\"['pan', 'pan:frying']\",x\n"
)


def label(narration_id, time, text):
    person, video = narration_id.split("_")[:2]
    return f"{narration_id},{person},{person}_{video},{time},00:00:00.10,00:00:02.00,6,120,{text},v,0,n,0,['n'],[0]"


@pytest.fixture
def root(tmp_path):
    """Invented annotations in the published files: a train, a val and a test video."""
    train = [
        label("P01_01_0", "00:00:01.089", "take chopping board"),
        label("P01_01_1", "00:01:02.500", "switch on tap"),
        label("P01_01_3", "", "take pan"),
        label("P01_01_2", "01:00:00.000", "pick up frying pan lid"),
    ]
    val = [label("P02_05_0", "00:00:03.000", '"take lid, pan"'), label("P02_05_1", "00:00:09.000", "null")]
    folder = tmp_path / "annotations"
    folder.mkdir()
    (folder / "EPIC_100_train.csv").write_text("\n".join([LABEL_HEADER, *train]) + "\n")
    with gzip.open(folder / "EPIC_100_validation.csv.gz", "wt") as file:
        file.write("\n".join([LABEL_HEADER, *val]) + "\n")
    (folder / "EPIC_100_test_timestamps.csv").write_text("narration_id,video_id\nP03_07_0,P03_07\n")
    info = "video_id,duration,fps,resolution\nP01_01,4000.5,59.94,1920x1080\nP02_05,20,50,1280x720\nP03_07,9,50,1x1\n"
    (folder / "EPIC_100_video_info.csv").write_text(info)
    (folder / "EPIC_100_verb_classes.csv").write_text(VERBS)
    (folder / "EPIC_100_noun_classes.csv").write_text(NOUNS)
    return tmp_path


def test_narrations_keep_their_words_behind_the_wearer_s_mark(root):
    found = EpicKitchensSource(root).narrations()
    assert tuple(found.columns) == NARRATION_COLUMNS
    assert found["narration_text"].tolist() == [
        "#C C take chopping board",
        "#C C switch on tap",
        "#C C take pan",
        "#C C pick up frying pan lid",
        "#C C take lid, pan",
        "#C C null",
    ]
    assert found["narration_ind"].tolist() == [0, 1, 3, 2, 0, 1]
    assert found["narration_time"].dropna().tolist() == [1.089, 62.5, 3600.0, 3.0, 9.0]
    assert math.isnan(found["narration_time"][2])


def test_videos_have_epic_s_split_size_and_length(root):
    found = EpicKitchensSource(root).videos()
    assert tuple(found.columns) == VIDEO_COLUMNS
    assert dict(zip(found["video_uid"], found["split"], strict=True)) == {
        "P01_01": "train",
        "P02_05": "val",
        "P03_07": "test",
    }
    assert found["video_dur"].tolist() == [4000.5, 20, 9]
    assert (found["width"][0], found["height"][0]) == (1920, 1080)
    assert found["scene"].is_unique


def test_a_video_that_two_files_list_is_held_out(root):
    with (root / "annotations" / "EPIC_100_train.csv").open("a") as file:
        file.write(label("P02_05_9", "00:00:05.000", "take lid") + "\n")
    found = EpicKitchensSource(root).videos().set_index("video_uid")
    assert found["split"]["P02_05"] == "val"


@pytest.mark.parametrize(
    "place",
    ["videos/P01_01.MP4", "P01/videos/P01_01.MP4", "P01/P01_01.mp4", "videos/train/P01/P01_01.MP4", "P01_01.MP4"],
)
def test_videos_are_found_where_people_put_them(root, place):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    found = EpicKitchensSource(root).videos().set_index("video_uid")["path"]
    assert found["P01_01"] == str(path)
    assert found.notna().sum() == 1


def test_videos_of_other_folders_come_first_and_the_places_are_told(root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for folder in (root / "P01" / "videos", elsewhere / "P01" / "videos"):
        folder.mkdir(parents=True)
        (folder / "P01_01.MP4").touch()
    source = EpicKitchensSource(root, [elsewhere])
    assert source.videos()["path"].tolist() == [str(elsewhere / "P01" / "videos" / "P01_01.MP4"), None, None]
    said = source.looked_in()
    assert said.startswith(f"looked for <video_id>.mp4 in {elsewhere}, {elsewhere}/videos, ")
    assert f"{root}/P*/videos" in said


def test_classes_are_epic_s_ids(root):
    source = EpicKitchensSource(root)
    lexicon = load_lexicon(source.lexicon_dir())
    assert lexicon.verbs.labels == ["take", "turn_on"]
    assert lexicon.nouns.labels == ["tap", "chopping_board", "lid", "pan"]
    texts = source.narrations()["narration_text"].tolist()
    assert tag_texts(texts, lexicon)[:5] == [
        ((0,), (1,)),
        ((1,), (0,)),
        ((0,), (3,)),
        ((0,), (2,)),
        ((0,), (2, 3)),
    ]


def test_without_class_files_there_is_no_lexicon(root):
    (root / "annotations" / "EPIC_100_noun_classes.csv").unlink()
    source = EpicKitchensSource(root)
    assert source.lexicon_dir() is None
    assert any("classes are built" in note for note in source.notes())


def test_egoclip_of_it(root):
    made = build_egoclip(EpicKitchensSource(root), EgoClipConfig())
    assert made.table["clip_text"].to_pylist() == [
        "#C C take chopping board",
        "#C C switch on tap",
        "#C C pick up frying pan lid",
    ]
    assert made.table["text"][0].as_py() == "take chopping board"
    assert sorted(made.rejected["reason"].to_pylist()) == ["bad_time", "val_test", "val_test"]


def test_the_fingerprint_covers_every_file(root):
    before = EpicKitchensSource(root).fingerprint()
    assert len(before) == 6
    with (root / "annotations" / "EPIC_100_verb_classes.csv").open("a") as file:
        file.write("2,cut,\"['cut']\",x\n")
    after = EpicKitchensSource(root).fingerprint()
    assert [name for name in before if before[name] != after[name]] == ["annotations/EPIC_100_verb_classes.csv"]


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("EPIC_100_train.csv", "narration_id,video_id,narration\n", ("narration_timestamp", "is missing")),
        ("EPIC_100_train.csv", LABEL_HEADER + "\n" + label("P01_01_x", "00:00:01.0", "take"), ("'P01_01_x'",)),
        ("EPIC_100_verb_classes.csv", "id,key,instances\n1,take,\"['take']\"\n", ("column id",)),
        ("EPIC_100_noun_classes.csv", "id,key,instances\n0,tap,tap\n", ("'tap'", "list of words")),
        ("EPIC_100_video_info.csv", None, ("EPIC_100_video_info.csv",)),
    ],
)
def test_what_is_wrong_is_named(root, file, content, words):
    path = root / "annotations" / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError) as error:
        build_egoclip(EpicKitchensSource(root), EgoClipConfig())
    for word in words:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_without_narrations_says_what_to_fetch(tmp_path):
    with pytest.raises(InputError, match=r"EPIC_100_train\.csv"):
        EpicKitchensSource(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        EpicKitchensSource(tmp_path / "nowhere")


def test_the_published_files():
    if not REAL.is_dir():
        pytest.skip("EPIC-KITCHENS-100 is not beside this repository")
    source = EpicKitchensSource(REAL)
    narrations, videos = source.narrations(), source.videos()
    assert len(narrations) == 29_023
    assert narrations["narration_time"].isna().sum() == 113
    assert len(videos) == 700
    lexicon = load_lexicon(source.lexicon_dir())
    assert (len(lexicon.verbs), len(lexicon.nouns)) == (97, 300)
    rows = pd.read_csv(REAL / "EPIC_100_uda_source_val.csv.gz").drop_duplicates("narration").iloc[::4]
    tags = tag_texts([f"#C C {text}" for text in rows["narration"]], lexicon)
    right = [verb in found for verb, (found, _) in zip(rows["verb_class"], tags, strict=True)]
    assert sum(right) / len(right) > 0.95
    gold = [set(ast.literal_eval(nouns)) for nouns in rows["all_noun_classes"]]
    right = [set(found) == nouns for nouns, (_, found) in zip(gold, tags, strict=True)]
    assert sum(right) / len(right) > 0.9
