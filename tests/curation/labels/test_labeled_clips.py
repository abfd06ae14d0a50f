import numpy as np
import pandas as pd
import pytest

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.check_clips import check_clips
from egocurate.curation.labels.labeled_clips import labeled_clips
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.labels.source import LabelSource
from egocurate.labels import table_label_names
from tests.loaders.conftest import write_video

VIDEOS = pd.DataFrame({"video_uid": ["a", "b", "gone"], "video_dur": [90.0, 5.0, np.nan]})


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "labels.csv"
    lines = ["a,70,72,z", "a,1,3,y", "b,,,x", "gone,,,x", "gone,2,4,y", "nowhere,,,z"]
    path.write_text("video,start_sec,end_sec,label\n" + "".join(f"{line}\n" for line in lines))
    return read_annotations(path, ())


def test_clips_are_the_rows_by_video_and_time_with_their_classes(rows, tmp_path):
    clips = labeled_clips(rows, VIDEOS, {})
    found = clips.table.select(["video_uid", "clip_start", "clip_end", "narration_ind", "label_label"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [
        ("a", 1.0, 3.0, 1, 1),
        ("a", 70.0, 72.0, 0, 2),
        ("b", 0.0, 5.0, 0, 0),
        ("gone", 2.0, 4.0, 1, 1),  # its end is known: it waits as clips of other tables do
    ]
    assert clips.table["neighbourhood"].to_pylist() == [0, 1, 2, 3]
    assert clips.table["narration_time"].to_pylist() == [2.0, 71.0, 2.5, 3.0]
    check_clips(tmp_path, clips.table)
    assert clips.table.schema.names == [*CLIP_SCHEMA.names, "label_label"]


def test_whole_videos_without_a_length_wait(rows):
    clips = labeled_clips(rows, VIDEOS, {})
    assert clips.waiting == {"gone": 1, "nowhere": 1} and clips.unknown == {}
    assert table_label_names(clips.table.schema) == {"label": ["x", "y", "z"]}


def test_videos_are_found_by_path_by_name_and_below(tmp_path):
    for name in ("here.mp4", "class/deep.avi", "elsewhere/far.mp4", "OP01/OP01-1-2.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    path = tmp_path / "list.txt"
    path.write_text("here.mp4 0\nclass/deep.avi 0\n/other/machine/far.mp4 1\nOP01-1-2 1\nnone.mp4 2\n")
    videos = LabelSource(path, [tmp_path / "elsewhere"]).videos()
    found = dict(zip(videos["video_uid"], videos["path"], strict=True))
    assert {uid: where and where.removeprefix(f"{tmp_path}/") for uid, where in found.items()} == {
        "here": "here.mp4",
        "deep": "class/deep.avi",
        "far": "elsewhere/far.mp4",
        "OP01-1-2": "OP01/OP01-1-2.mp4",
        "none": None,
    }


def test_the_length_of_a_whole_video_is_read_from_it(tmp_path):
    write_video(tmp_path / "a.mp4", 64, 48, 0)
    (tmp_path / "list.txt").write_text("a.mp4 0\n")
    source = LabelSource(tmp_path / "list.txt")
    clips = labeled_clips(read_annotations(source.path, ()), source.videos(), {}).table
    assert clips["clip_end"].to_pylist() == pytest.approx([20.0])
    assert source.notes() == ["list.txt names 1 videos, 1 of them on disk"] and source.narrations().empty
