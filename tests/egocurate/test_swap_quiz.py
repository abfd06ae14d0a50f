import json

import pytest

from egocurate.errors import InputError
from egocurate.swap_quiz import read_swap_quiz

CLIP = {
    "video_uid": "v",
    "narration_source": "narration_pass_1",
    "narration_ind": 3,
    "clip_text": "#C C a b",
    "text": "a b",
}
ENTRY = {
    "clip": CLIP,
    "verb_swaps": [{"clip_text": "#C C c b", "text": "c b"}],
    "noun_swaps": [{"clip_text": "#C C a d", "text": "a d"}],
}


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_texts_come_in_the_form_that_is_asked_for(tmp_path):
    path = write(tmp_path / "q.json", {"0": ENTRY})
    raw, normalized = (read_swap_quiz(path, form)["0"] for form in ("raw", "normalized"))
    assert (raw.text, raw.verb_swaps, raw.noun_swaps) == ("#C C a b", ("#C C c b",), ("#C C a d",))
    assert (normalized.text, normalized.verb_swaps, normalized.noun_swaps) == ("a b", ("c b",), ("a d",))
    assert normalized.clip.key == "v-narration_pass_1-00003"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds no questions"),
        ([], "holds no questions"),
        ({"7": None}, "question '7' is none"),
        ({"7": ENTRY | {"clip": {}}}, "question '7' is none: KeyError"),
        ({"7": ENTRY | {"clip": CLIP | {"narration_ind": "3"}}}, "question '7' is none"),
        ({"7": ENTRY | {"verb_swaps": []}}, "question '7' has no verb_swaps"),
        ({"7": ENTRY | {"noun_swaps": [{"text": 3}]}}, "question '7' is none"),
        ({"7": ENTRY | {"noun_swaps": [{"text": "\ud800"}]}}, "question '7' is none"),
    ],
)
def test_a_file_that_is_none_is_one_line(tmp_path, content, words):
    with pytest.raises(InputError, match=words):
        read_swap_quiz(write(tmp_path / "q.json", content), "normalized")


def test_what_is_no_json_says_what_writes_one(tmp_path):
    (tmp_path / "q.json").write_text("{")
    for path in (tmp_path / "q.json", tmp_path / "none.json"):
        with pytest.raises(InputError, match="curate swap-quiz"):
            read_swap_quiz(path, "raw")
