import json
import pickle

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.curation.segments.lavila import read_lavila
from egocurate.curation.segments.read_table import read_segments_table
from egocurate.errors import InputError

CSV = """\
video,start_sec,end_sec,text,text_2,text_3,duration,split
clips/a.mp4,1.25,0:03.5,#C C opens a door,opens the door,,60,train
clips/a.mp4,2,4,#C C sits,,,60,train
b.mp4,0.1234567,9,#C C stands,,rises,,validation
"""


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(found):
    names = ["video_uid", "start_sec", "end_sec", "text", "captions", "split", "narration_ind"]
    return found.table[names].to_numpy().tolist()


EXPECTED = [
    ["a", 1.25, 3.5, "#C C opens a door", ["opens the door"], "train", 0],
    ["a", 2.0, 4.0, "#C C sits", [], "train", 1],
    ["b", 0.1234567, 9.0, "#C C stands", ["rises"], "val", 0],
]


@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.parquet", "s.jsonl"])
def test_segments_are_read_alike_from_csv_tsv_parquet_and_jsonl(write, tmp_path, name):
    frame = pd.read_csv(write("s.csv", CSV))
    if name == "s.tsv":
        write(name, CSV.replace(",", "\t"))
    elif name != "s.csv":
        frame["texts"] = [["#C C opens a door", "opens the door"], ["#C C sits"], ["#C C stands", "rises"]]
        frame = frame.drop(columns=["text", "text_2", "text_3"])
        if name == "s.parquet":
            pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), tmp_path / name)
        else:
            write(name, "\n".join(json.dumps(row) for row in json.loads(frame.to_json(orient="records"))))
    found = read_segments_table(tmp_path / name)
    assert rows(found) == EXPECTED
    assert found.table["duration"].tolist()[:2] == [60, 60] and pd.isna(found.table["duration"].iloc[2])


def test_a_list_in_a_cell_is_json_or_as_python_prints_it_and_has_weights(write):
    path = write(
        "s.csv",
        "video;start_sec;end_sec;texts;weights;kind\n"
        'a.mp4;0;1;"[""opens a door"", ""opens the door""]";[1, 0.25];narrator\n'
        "a.mp4;1;2;['sits', 'sits down'];;\n",
    )
    table = read_segments_table(path).table
    assert table["captions"].tolist() == [["opens the door"], ["sits down"]]
    assert table["caption_weights"].tolist() == [[1.0, 0.25], None]
    assert table["kind"].tolist() == ["narrator", "human"]


def test_epic_s_gold_segments_are_read_as_published(write):
    path = write(
        "EPIC_100_validation.csv",
        "narration_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,narration,verb_class,noun_class\n"
        "P01_11_7,P01_11,00:00:01.500,00:00:01.10,00:00:02.95,take plate,0,2\n",
    )
    row = read_segments_table(path).table.iloc[0]
    assert (row.video_uid, row.start_sec, row.end_sec, row.text) == ("P01_11", 1.1, 2.95, "#C C take plate")
    assert (row.narration_ind, row.narration_time) == (7, 1.5)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("s.csv", "video,start_sec,end_sec\na,0,1\n", r"lacks column text \(there are video, start_sec, end_sec\)"),
        ("s.csv", "video,start_sec,end_sec,text\na,0,1,x\na,2,1,y\n", "line 3 ends before it starts"),
        ("s.csv", "video,start_sec,end_sec,text\na,,1,x\n", "line 2 has no time in seconds"),
        ("s.csv", "video,start_sec,end_sec,text\na,soon,1,x\n", "line 2: start_sec has 'soon'"),
        ("s.csv", "video,start_sec,end_sec,text\n,0,1,x\n", "line 2 names no video"),
        ("s.csv", "video,start_sec,end_sec,text\nx/a.mp4,0,1,x\ny/a.mp4,0,1,x\n", "line 3 names another file"),
        ("s.csv", "video,start_sec,end_sec,text,split\na,0,1,x,dev\n", "line 2 has a split that is none"),
        ("s.csv", "video,start_sec,end_sec,text,kind\na,0,1,x,robot\n", "line 2 has a kind that is none of human"),
        ("s.csv", "video,start_sec,end_sec,texts\na,0,1,[x]\n", "line 2: texts has '\\[x\\]'"),
        ("s.jsonl", '{"video": "a"}\n{"video"\n', "line 2 is no JSON"),
        ("s.jsonl", "[]\n", "line 1 is no JSON object"),
        ("s.jsonl", '{"video": "a", "start_sec": 0, "end_sec": 1, "texts": [1]}\n', r"line 1: texts has \[1\]"),
        (
            "s.jsonl",
            '{"video": "a", "start_sec": 0, "end_sec": 1, "texts": ["x"], "weights": [1, 2]}\n',
            r"line 1: weights has \[1, 2\]",
        ),
        ("s.csv", "video,start_sec,end_sec,text\n", "no rows"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, name, content, what):
    with pytest.raises(InputError, match=what):
        read_segments_table(write(name, content))


def test_lavila_s_pickles_are_clips_with_texts(write):
    clips = [
        ("v1", 1.0, 2.5, ["#C C opens a door", "opens it"]),
        ("v1", 3, 4, "#C C sits"),
        ("v2", 0.0, 1.0, []),
        ("v2", 2.0, 2.0, ["x"]),
    ]
    found = read_lavila(write("narrator.pkl", pickle.dumps(clips)))
    assert found.table[["video_uid", "text", "captions", "kind"]].to_numpy().tolist() == [
        ["v1", "#C C opens a door", ["opens it"], "narrator"],
        ["v1", "#C C sits", [], "narrator"],
    ]
    assert found.skipped == 2


@pytest.mark.parametrize("entry", [("v", 0.0, 1.0), ("v", "0", 1.0, "x"), (1, 0.0, 1.0, "x"), ("v", 0.0, 1.0, [1]), 5])
def test_an_entry_of_another_form_is_named(write, entry):
    with pytest.raises(InputError, match="entry 2 is"):
        read_lavila(write("narrator.pkl", pickle.dumps([("v", 0.0, 1.0, "x"), entry])))


LABELED = """\
video,start_sec,end_sec,text,label_verb,label_step,score_sharp
a.mp4,1,2,opens a door,open,4,0.5
a.mp4,2,4,sits,sit,,
b.mp4,0,9,stands,-1,0,1e-1
"""


@pytest.mark.parametrize("name", ["s.csv", "s.parquet", "s.jsonl"])
def test_labels_are_classes_and_scores_are_numbers(write, tmp_path, name):
    frame = pd.read_csv(write("s.csv", LABELED))
    if name == "s.parquet":
        frame.to_parquet(tmp_path / name)
    elif name == "s.jsonl":
        write(name, "\n".join(json.dumps(row) for row in json.loads(frame.to_json(orient="records"))))
    table = read_segments_table(tmp_path / name).table
    assert table["label_verb"].cat.categories.tolist() == ["open", "sit"]  # words by the alphabet
    assert table["label_verb"].cat.codes.tolist() == [0, 1, -1]
    assert table["label_step"].cat.categories.tolist() == ["0", "1", "2", "3", "4"]  # numbers as they are
    assert table["label_step"].cat.codes.tolist() == [4, -1, 0]
    assert table["score_sharp"].fillna(-1).tolist() == [0.5, -1, 0.1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LABELED.replace(",0.5", ",good"), "line 2 has a score_sharp that is no number"),
        (LABELED.replace("label_verb", "label_Verb!"), "label 'verb!': call it by small letters"),
        (LABELED.replace(",4,", ",4000000,"), "line 2: step has 4000000, and classes are counted from 0"),
    ],
)
def test_labels_and_scores_that_are_none_are_refused(write, content, said):
    with pytest.raises(InputError, match=said):
        read_segments_table(write("s.csv", content))


def test_the_segments_of_benchmarks_bring_their_labels(write):
    head = "narration_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,narration,verb_class,noun_class\n"
    row = "P01_01_0,P01_01,00:00:01.0,00:00:00.14,00:00:03.37,open door,1,0\n"
    write("EPIC_100_verb_classes.csv", "id,key\n0,take\n1,open\n")
    table = read_segments_table(write("EPIC_100_train.csv", head + row)).table
    assert table[["label_verb", "label_noun", "label_action"]].to_numpy().tolist() == [["open", "0", "1,0"]]
