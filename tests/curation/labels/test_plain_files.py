import numpy as np
import pytest

from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.errors import InputError


def written(tmp_path, text, name="labels.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_csv_has_segments_and_whole_videos_with_several_labels(tmp_path):
    text = "Video;start_sec;end_sec;Verb;noun;text\na/v0.MP4;1.5;0:00:02.5;take;3;takes it\nv1;;;put;-1;\n"
    rows = read_annotations(written(tmp_path, text), ("verb", "noun"))
    assert rows.uid == ["v0", "v1"] and rows.video == ["a/v0.MP4", "v1"] and rows.text == ["takes it", ""]
    assert rows.start[0] == 1.5 and rows.end[0] == 2.5 and np.isnan([rows.start[1], rows.end[1]]).all()
    assert rows.labels == {"verb": ["take", "put"], "noun": ["3", "-1"]}


def test_rows_of_a_video_are_numbered(tmp_path):
    rows = read_annotations(written(tmp_path, "video,start_sec,end_sec,label\na,0,1,x\nb,0,1,x\na,1,2,y\n"), ())
    assert rows.number.tolist() == [0, 0, 1] and list(rows.labels) == ["label"]


@pytest.mark.parametrize(
    ("text", "kinds", "video", "labels"),
    [
        ("a/x.mp4 3\nb/my clip.mp4 0\n", (), ["a/x.mp4", "b/my clip.mp4"], {"label": ["3", "0"]}),
        ("a/x.mp4,jump\na/y.avi,run fast\n", (), ["a/x.mp4", "a/y.avi"], {"label": ["jump", "run fast"]}),
        ("Apply/v_a_1.avi 1\n\nApply/v_a_2.avi 1\n", (), ["Apply/v_a_1.avi", "Apply/v_a_2.avi"], {"label": ["1"] * 2}),
        (  # EGTEA: the action, its verb and nouns, of which a line may have several
            "OP01-R01-Pasta-1-2-F24-F51 24 5 32\nOP02-R01-Pizza-3-4-F1-F9 7 1 8\n",
            ("action", "verb", "noun"),
            ["OP01-R01-Pasta-1-2-F24-F51", "OP02-R01-Pizza-3-4-F1-F9"],
            {"action": ["24", "7"], "verb": ["5", "1"], "noun": ["32", "8"]},
        ),
        ("a.mp4 4 9\nb.mp4 5 8\n", ("action",), ["a.mp4", "b.mp4"], {"action": ["4", "5"]}),
    ],
)  # fmt: skip
def test_a_list_has_a_path_and_its_labels_on_each_line(tmp_path, text, kinds, video, labels):
    rows = read_annotations(written(tmp_path, text, "train.txt"), kinds)
    assert rows.video == video and rows.labels == labels


def test_without_kinds_only_the_videos_are_read(tmp_path):
    assert read_annotations(written(tmp_path, "video,verb\na.mp4,take\n"), None).labels == {}
    assert read_annotations(written(tmp_path, "my a.mp4 3 4\n"), None).video == ["my a.mp4"]


@pytest.mark.parametrize(
    ("text", "kinds", "message"),
    [
        ("video,verb\na,take\n", (), "has no column 'label' .there are video, verb.: name some by --labels"),
        ("video,verb\na,take\n", ("noun",), "column 'noun' is missing .there are video, verb."),
        ("video,start_sec,end_sec,label\na,0,1,x\na,4,2,x\nb,3,3,x\n", (), "line 3 ends before.*1 more rows"),
        ("video,start_sec,end_sec,label\na,soon,1,x\n", (), "line 2 has a start_sec that is no time"),
        ("video,label\na,x\n,y\n", (), "line 3 names no video"),
        ("video,label\n", (), "no rows"),
        ("video,label\na/one.mp4,x\nb/one.mp4,y\n", (), "a/one.mp4 have one name; give each video its own"),
        ("video,label\na,x,1\n", (), "line 2 has more fields"),
        ("a.mp4 1\nb.mp4\n", (), "line 2 is not `path label`, as the others are"),
        ("file,class\na.mp4,1\nb.mp4,0\n", (), "line 1 has 'file class', which names no video: call a csv's columns"),
        ("path_of_file class\na.mp4 run\n", (), "line 1 has 'path_of_file class'"),
        ("", (), "the file is empty"),
        ("video,label\na,x\n", ("La bel",), "label 'La bel': call it by small letters"),
        ("video,label\na,x\n", ("label", "label"), "named more than once"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, text, kinds, message):
    with pytest.raises(InputError, match=message):
        read_annotations(written(tmp_path, text), kinds)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv: no such file of labels"):
        read_annotations(tmp_path / "labels.csv", ())
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="save it in UTF-8"):
        read_annotations(tmp_path / "bytes.txt", ())
