import json

import pytest

from egocurate.curation.labels.label_names import number_labels
from egocurate.curation.labels.labeled_clips import labeled_clips
from egocurate.curation.labels.read_annotations import read_annotations
from egocurate.curation.labels.source import LabelSource
from egocurate.errors import InputError

QUESTION = {
    "interval": "1-2-3|P1|0|480",
    "question": "What does the person move?",
    "answer": "Cup",
    "type": ["descriptive"],
    "category": ["world"],
    "semantic": "object",
    "structural": "query",
    "reference": "direct",
    "program": "",
    "video_id": 0,
    "question_id": 7,
    "reasoning_type": "descriptive$world$object$query$direct",
}


def written(tmp_path, *questions, name="train_qas.json"):
    path = tmp_path / name
    path.write_text(json.dumps(questions))
    return path


def test_a_question_is_a_row_and_its_answer_the_label(tmp_path):
    other = QUESTION | {"question_id": 3, "answer": "yes", "question_encode": [2, 3], "answer_encode": 5}
    rows = read_annotations(written(tmp_path, QUESTION, other), ())
    assert rows.labels == {"answer": ["cup", "yes"], "reasoning": [QUESTION["reasoning_type"]] * 2}
    assert rows.video == ["1-2-3|P1|0|480.mp4"] * 2 and rows.uid == ["1-2-3|P1|0|480"] * 2
    assert rows.number.tolist() == [7, 3] and rows.text == ["What does the person move?"] * 2


def test_answers_have_the_numbers_of_training_and_kinds_of_questions_their_own(tmp_path):
    train = number_labels(read_annotations(written(tmp_path, QUESTION), ()), {})[1]
    indirect = QUESTION | {"answer": "no", "reasoning_type": "descriptive$world$object$verify$indirect"}
    test = read_annotations(written(tmp_path, indirect, QUESTION | {"question_id": 8}), ())
    numbers, names, unknown = number_labels(test, train)
    assert numbers["answer"].tolist() == [-1, 0] and names["answer"] == ["cup"] and unknown == {"answer": 1}
    assert [names["reasoning"][number] for number in numbers["reasoning"]] == test.labels["reasoning"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (3, "question 1 is no object"),
        (QUESTION | {"answer": None}, "question 1 lacks one of interval, question, answer, reasoning_type"),
        (QUESTION | {"reasoning_type": ["a"]}, "question 1 lacks one of"),
        (QUESTION | {"question_id": "8"}, "question 1 has no question_id, a number"),
        (QUESTION, "question 1 has the question_id of another question"),
        (QUESTION | {"question_id": 8, "interval": ""}, "question 1 names no video"),
    ],
)
def test_an_entry_that_is_no_question_is_refused(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        read_annotations(written(tmp_path, QUESTION, changed), ())


def test_the_invented_questions_are_of_clips_that_are_there(labeled_root):
    folder = labeled_root / "egotaskqa"
    source = LabelSource(folder / "qa" / "indirect" / "test_qas.json", [folder / "qa_videos"])
    rows = read_annotations(source.path, ())
    clips = labeled_clips(rows, source.videos(), {})
    assert len(clips.table) == len(rows) and not clips.waiting
    assert {one.rpartition("$")[2] for one in rows.labels["reasoning"]} == {"indirect"}
    train = read_annotations(folder / "qa" / "indirect" / "train_qas.json", ())
    assert {one.rpartition("$")[2] for one in train.labels["reasoning"]} == {"direct"}
    assert not set(train.uid) & set(rows.uid)
