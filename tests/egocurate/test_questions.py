import json

import pytest

from egocurate.errors import InputError
from egocurate.questions import INTER, INTRA, ITEM_FIELDS, Option, Question, read_questions


def item(place):
    """A narration of video v<place> as egoclip.csv and egomcq.json have it."""
    values = [f"v{place}", 60.0, "narration_pass_1", place, 5.0, 4.5, 5.5, f"#C C takes cup {place}", "[1]", "[]"]
    return dict(zip(ITEM_FIELDS, values, strict=True))


def entry(answer=3, kind=INTER):
    return {"query": item(answer), "answer": answer, "choices": {str(i): item(i) for i in range(5)}, "types": kind}


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "egomcq.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def test_a_question_is_its_text_its_five_clips_and_the_answer(written):
    questions = read_questions(written({"0": entry(), "1": entry(0, INTRA)}))
    options = tuple(Option(f"v{i}", "narration_pass_1", i) for i in range(5))
    assert questions == {
        "0": Question("#C C takes cup 3", options, answer=3, type=INTER),
        "1": Question("#C C takes cup 0", options, answer=0, type=INTRA),
    }
    assert options[2].key == "v2-narration_pass_1-00002"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query": None}, "question '0' is not as published: TypeError"),
        ({"choices": {"0": item(0)}}, "question '0' is not as published: KeyError '1'"),
        ({"choices": [item(place) for place in range(5)]}, "question '0' is not as published: TypeError"),
        ({"answer": "3"}, "question '0' is not as published: TypeError '3' is not a whole number"),
        ({"answer": 2.5}, "question '0' is not as published: TypeError 2.5 is not a whole number"),
        ({"answer": 5}, "question '0' has answer 5, not one of 0 to 4"),
        ({"answer": -1}, "question '0' has answer -1, not one of 0 to 4"),
        ({"types": 3}, "question '0' has types 3, not 1 (between videos) or 2 (inside one)"),
        ({"choices": {str(i): item(i) | {"video_uid": 7} for i in range(5)}}, "TypeError 7 is not text"),
        ({"choices": {str(i): item(i) | {"narration_ind": None} for i in range(5)}}, "is not as published: TypeError"),
    ],
)
def test_a_question_that_is_not_as_published_is_named(written, change, says):
    path = written({"0": entry() | change})
    with pytest.raises(InputError) as raised:
        read_questions(path)
    assert says in str(raised.value) and str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "holds no questions"),
        ("{}", "holds no questions"),
        ('{"0": 5}', "question '0' is not as published"),
    ],
)
def test_a_file_without_questions_is_refused(written, content, says):
    with pytest.raises(InputError, match=says):
        read_questions(written(content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: No such file"):
        read_questions(tmp_path / "none.json")
