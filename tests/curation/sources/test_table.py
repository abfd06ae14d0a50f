import gzip
import json
import math
import shutil
from importlib import import_module

import pandas as pd
import pyarrow.parquet as pq
import pytest

from egocurate.curation.sources import NARRATION_COLUMNS
from egocurate.curation.sources.open import SOURCES, open_source
from egocurate.curation.sources.table import TableSource
from egocurate.curation.sources.videos_table import VIDEO_COLUMNS
from egocurate.errors import InputError
from egocurate.shards.read.index import ShardIndex


def write(path, text):
    path.write_text(text)
    return path


@pytest.fixture
def videos(tiny_root, tmp_path):
    """Two videos of 20 s in a folder of their own."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name, source in zip(("a.mp4", "b.mp4"), sorted(tiny_root.rglob("*.mp4")), strict=False):
        shutil.copy(source, folder / name)
    return folder


def test_the_least_table(videos, tmp_path):
    path = write(tmp_path / "t.csv", "video,time,text\nvideos/a.mp4,1.5,cuts an onion\nvideos/b.mp4,2,opens a door\n")
    source = TableSource(path)
    narrations, found = source.narrations(), source.videos()
    assert tuple(narrations.columns) == NARRATION_COLUMNS
    assert tuple(found.columns) == VIDEO_COLUMNS
    assert narrations.values.tolist() == [
        ["a", "narration_pass_1", 0, 1.5, "cuts an onion"],
        ["b", "narration_pass_1", 0, 2.0, "opens a door"],
    ]
    assert found["video_dur"].tolist() == pytest.approx([20, 20], abs=0.2)
    assert found["width"].tolist() == [64, 64] or (found["width"] > 0).all()
    assert source.lexicon_dir() is None
    assert source.notes() == ["t.csv has 2 narrations of 2 videos, 2 of them on disk"]


def test_every_column(tmp_path):
    lines = [
        "text,split,pass,video,video_uid,time,duration",
        '"takes a cup, then a plate",val,1,x/1.mp4,kitchen,3,60',
        "puts cup,val,2,x/1.mp4,kitchen,1,60",
        "reads,val,2,x/1.mp4,kitchen,5,60",
        "walks,training,me,x/2.mp4,,soon,",
    ]
    source = TableSource(write(tmp_path / "t.csv", "\n".join(lines) + "\n"))
    narrations, videos = source.narrations(), source.videos()
    assert narrations["narration_source"].tolist() == [*(f"narration_pass_{n}" for n in (1, 2, 2)), "me"]
    assert narrations["narration_ind"].tolist() == [0, 0, 1, 0]
    assert narrations["video_uid"].tolist() == ["kitchen"] * 3 + ["2"]
    assert narrations["narration_text"][0] == "takes a cup, then a plate"
    assert math.isnan(narrations["narration_time"][3])
    assert videos["split"].tolist() == ["val", "train"]
    assert videos["video_dur"][0] == 60 and math.isnan(videos["video_dur"][1])
    assert videos["path"].isna().all()


def test_tabs_and_parquet_are_read_alike(tmp_path):
    table = pd.DataFrame({"video": ["a.mp4", "a.mp4"], "time": [1.0, 2.0], "text": ["cuts, dices", "stirs"]})
    table["pass"], table["duration"] = 2, 30.0
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    frames = [TableSource(tmp_path / f"t.{end}") for end in ("csv", "tsv", "parquet")]
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0].narrations(), other.narrations(), check_dtype=False)
        pd.testing.assert_frame_equal(frames[0].videos(), other.videos())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,seconds,text\na.mp4,1,cuts\n", ("'time' is missing", "video, seconds, text")),
        ("video,time,text\n", ("no rows",)),
        ("video,time,text\na.mp4,soon,cuts\n", ("'time'", "'soon'")),
        ("video,time,text,split\na.mp4,1,cuts,holdout\n", ("'split'", "'holdout'", "train, val, test")),
        ("video,time,text\nx/a.mp4,1,cuts\ny/a.mp4,1,cuts\n", ("'video'", "x/a.mp4", "video_uid")),
        ("video,time,text,duration\na.mp4,1,cuts,5\na.mp4,2,cuts,6\n", ("'duration'", "'5'", "'6'")),
        ("video,time,text,split\na.mp4,1,cuts,val\na.mp4,2,cuts,train\n", ("'split'", "'val'", "'train'")),
        ('video,time,text\na.mp4,1,"cuts\n', ("readable csv file",)),
        ("video,time,text\na.mp4,1,cuts, dices\n", ("line 2", "in quotes")),
        ("video,time,text\na.mp4,1,cuts\na.mp4,1,cuts, dices\n", ("line 3",)),
        ("video,time,text\na.mp4,1,cuts\n\na.mp4,1:75,cuts\n", ("line 4: time has '1:75'", "0:01:02.5")),
        ("video,time,text\na.mp4,12s,cuts\na.mp4,2,cuts\n", ("line 2: time has '12s'", "write seconds as 62.5")),
        ("video,time,text,duration\na.mp4,1,cuts,9 min\n", ("line 2: duration has '9 min'",)),
        ("video,time,Text,TEXT\na.mp4,1,cuts,cuts\n", ("2 columns are called 'text'", "Text, TEXT")),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(InputError) as error:
        TableSource(write(tmp_path / "t.csv", text)).videos()
    for word in ("t.csv", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("62.5", 62.5),
        ("62,5", 62.5),
        ("1:02", 62.0),
        ("1:02.5", 62.5),
        ("00:01:02.5", 62.5),
        ("00:01:02,500", 62.5),
        ("2:00:00", 7200.0),
        ("90:00", 5400.0),
    ],
)
def test_seconds_and_clock_times(tmp_path, written, seconds):
    source = TableSource(
        write(tmp_path / "t.csv", f"Video;TIME; Text ;Duration\na.mp4;{written};cuts, dices;3:00:00\n")
    )
    assert source.narrations()["narration_time"].tolist() == [seconds]
    assert source.narrations()["narration_text"].tolist() == ["cuts, dices"]
    assert source.videos()["video_dur"].tolist() == [10800.0]


@pytest.mark.parametrize(("end", "separator"), [(".csv.gz", ","), (".tsv.gz", "\t"), (".tsv", "\t"), (".csv", ";")])
def test_every_separator_plain_and_compressed(tmp_path, end, separator):
    lines = [("video", "time", "text"), ("a.mp4", "1.5", "cuts an onion")]
    data = "".join(separator.join(line) + "\n" for line in lines).encode()
    path = tmp_path / f"t{end}"
    path.write_bytes(gzip.compress(data) if end.endswith(".gz") else data)
    assert TableSource(path).narrations()["narration_time"].tolist() == [1.5]


def test_the_template_is_a_table(tmp_path, curate):
    made = curate("template")
    assert made.returncode == 0 and made.stdout.count("\n") == 3
    source = TableSource(write(tmp_path / "narrations.csv", made.stdout))
    assert source.narrations()["narration_time"].tolist() == [2.5, 64.2]


def test_videos_are_found_in_other_folders_first(videos, tmp_path):
    table = write(tmp_path / "t.csv", "video,time,text\nvideos/a.mp4,1,cuts\nx/b.mp4,2,opens\nc.mkv,3,closes\n")
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "P01" / "videos").mkdir(parents=True)
    (second / "x").mkdir(parents=True)
    shutil.copy(videos / "b.mp4", first / "P01" / "videos" / "b.MP4")
    shutil.copy(videos / "b.mp4", second / "x")
    shutil.copy(videos / "a.mp4", second / "c.mkv")
    paths = dict(TableSource(table, [first, second]).videos()[["video_uid", "path"]].values)
    assert paths == {
        "a": str(videos / "a.mp4"),
        "b": str(second / "x" / "b.mp4"),
        "c": str(second / "c.mkv"),
    }
    assert str(first / "P01" / "videos" / "b.MP4") in TableSource(table, [first]).videos()["path"].tolist()
    with pytest.raises(InputError, match=r"--videos-dir .*none: there is no such folder"):
        TableSource(table, [tmp_path / "none"])


def test_a_video_that_does_not_open_is_named(videos, tmp_path):
    (videos / "broken.mp4").write_bytes(b"no video")
    source = TableSource(write(tmp_path / "t.csv", "video,time,text\nvideos/broken.mp4,1,cuts\nvideos/no.mp4,1,cuts\n"))
    assert "1 videos on disk do not open and so tell no length (broken)" in source.notes()


def test_no_file_and_no_kind(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        open_source("table", tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        open_source("table", tmp_path)
    for kind in ("ego4d", "epic-kitchens"):
        with pytest.raises(InputError, match=r"t\.csv: is a file; for a table of narrations add --source table"):
            open_source(kind, write(tmp_path / "t.csv", "video,time,text\n"))
    with pytest.raises(InputError, match="ego4d, epic-kitchens, table"):
        open_source("youtube", tmp_path)


@pytest.mark.slow
def test_a_row_without_a_video_is_rejected_and_a_broken_video_fails_alone(videos, tmp_path, curate):
    (videos / "broken.mp4").write_bytes(b"no video" * 100)
    rows = [("videos/a.mp4", t, f"#C C takes the cup {t}") for t in (2, 5, 8, 11)]
    rows += [("videos/b.mp4", t, "#C C opens a door") for t in (3, 6)]
    rows += [("", 4, "#C C walks away"), ("videos/broken.mp4", 4, "#C C cuts an onion")]
    pd.DataFrame(rows, columns=["video", "time", "text"]).to_csv(tmp_path / "t.csv", index=False)
    done = curate("egoclip", "--source", "table", "--root", tmp_path / "t.csv", "--out", tmp_path / "O", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["clips"], summary["samples"]) == (6, 6)
    assert summary["rejected"] == {"no_video": 2}
    index = ShardIndex.open(tmp_path / "O" / "shards")
    assert {index.row(i).video_uid for i in range(len(index))} == {"a", "b"}
    assert index.row(0).frame_count > 0


@pytest.mark.slow
def test_questions_come_from_the_val_videos_of_a_table(tmp_path, curate):
    verbs, nouns = ("takes", "opens", "cuts", "washes", "pours"), ("cup", "door", "onion", "plate", "milk", "box")
    rows = [
        (f"{split}{video}.mp4", 3.0 * turn, f"#C C {verbs[turn % 5]} a {nouns[(turn + video) % 6]}", split, 90)
        for split in ("train", "val")
        for video in range(6)
        for turn in range(1, 12)
    ]
    table = pd.DataFrame(rows, columns=["video", "time", "text", "split", "duration"])
    table.to_parquet(tmp_path / "t.parquet")
    common = ("--source", "table", "--ego4d-root", tmp_path / "t.parquet", "--out", tmp_path / "O", "--tables-only")
    assert curate("egoclip", *common).returncode == 0
    done = curate("egomcq", *common, "--inter", 5, "--intra", 5)
    assert done.returncode == 0, done.stderr
    trained = set(pq.read_table(tmp_path / "O" / "egoclip.parquet")["video_uid"].to_pylist())
    asked = set(pq.read_table(tmp_path / "O" / "egomcq_clips.parquet")["video_uid"].to_pylist())
    assert trained == {f"train{n}" for n in range(6)}
    assert asked and all(uid.startswith("val") for uid in asked)


def test_every_kind_of_source_has_its_class():
    for kind in SOURCES.values():
        assert isinstance(getattr(import_module(kind.module), kind.name), type)
        assert kind.help
