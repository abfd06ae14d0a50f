import numpy as np
import pytest

from egocurate.curation.labels.annotations import annotations
from egocurate.curation.labels.label_names import number_labels, read_names
from egocurate.errors import InputError


def rows_of(tmp_path, labels, **more):
    places = [f"line {n}" for n in range(2, len(labels) + 2)]
    return annotations(tmp_path / "labels.csv", places, [f"v{n}" for n in range(len(labels))], {"verb": labels}, **more)


def numbered(rows, given=None):
    numbers, names, unknown = number_labels(rows, given or {})
    return numbers["verb"].tolist(), names["verb"], unknown


def test_words_are_numbered_in_sorted_order_and_numbers_keep_theirs(tmp_path):
    assert numbered(rows_of(tmp_path, ["take", "put", "take", ""])) == ([1, 0, 1, -1], ["put", "take"], {"verb": 1})
    assert numbered(rows_of(tmp_path, ["4", "1", "-1"])) == ([4, 1, -1], ["0", "1", "2", "3", "4"], {"verb": 1})


def test_given_names_decide_before_those_of_the_format(tmp_path):
    rows = rows_of(tmp_path, ["take", "2"], names={"verb": ["put", "take"]})
    assert numbered(rows, {"verb": ["wash", "put", "take"]}) == ([2, 2], ["wash", "put", "take"], {})
    assert numbered(rows_of(tmp_path, ["1", "0"], names={"verb": ["put", "take"]}))[1] == ["put", "take"]


def test_the_same_names_give_the_same_numbers_to_a_part_of_the_classes(tmp_path):
    _, names, _ = numbered(rows_of(tmp_path, ["wash", "put", "take", "cut"]))
    assert numbered(rows_of(tmp_path, ["take", "wash"]), {"verb": names}) == ([2, 3], names, {})


def test_labels_that_are_not_among_the_names_are_counted_and_named(tmp_path):
    rows = rows_of(tmp_path, ["take", "juggle", "9", "juggle"])
    with pytest.raises(
        InputError, match=r"verb of 3 of 4 rows is not among the 2 names \('juggle', '9'; first line 3\)"
    ):
        number_labels(rows, {"verb": ["put", "take"]})
    assert numbered(rows_of(tmp_path, ["take", "juggle"], open_kinds=frozenset({"verb"})), {"verb": ["take"]}) == (
        [0, -1],
        ["take"],
        {"verb": 1},
    )


def test_a_number_that_is_no_class_is_refused(tmp_path):
    with pytest.raises(InputError, match="line 3: verb has 78687123, and classes are counted from 0 to 999,999"):
        number_labels(rows_of(tmp_path, ["1", "78687123"]), {})


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("classes.txt", "put\ntake it\n", ["put", "take it"]),
        ("classInd.txt", "1 Apply Makeup\n2 Archery\n", ["0", "Apply Makeup", "Archery"]),
        ("Charades_v1_classes.txt", "c000 Holding some clothes\nc001 Putting\n", ["Holding some clothes", "Putting"]),
        ("action_idx.txt", "Inspect/Read recipe 1\nOpen fridge 0\n", ["Open fridge", "Inspect/Read recipe"]),
        ("verbs.csv", "id,key,instances\n0,take,\"['a', 'b']\"\n1,put,[]\n", ["take", "put"]),
        ("labels.json", '{"Moving [something] up": "1", "Turning": "0"}', ["Turning", "Moving [something] up"]),
        ("labels.json", '{"0": "a", "2": "c"}', ["a", "1", "c"]),
        ("labels.json", '["a", "b"]', ["a", "b"]),
    ],
)
def test_names_are_read_as_they_are_published(tmp_path, name, text, names):
    (tmp_path / name).write_text(text)
    assert read_names(tmp_path / name) == names


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "cannot be read as names"),
        ("a.json", "3", "neither a list nor an object"),
        ("a.json", '{"a": 1.5}', "'a' has the number 1.5"),
        ("a.json", '{"a": "99999999"}', "has the number"),
        ("a.json", "[1]", "write names"),
        ("a.txt", "1 a\n1 b\n", "'b' and 'a' both have number 1"),
        ("a.txt", "", "no names of classes"),
    ],
)
def test_names_that_are_none_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_names(tmp_path / name)


def test_numbers_are_int64(tmp_path):
    assert number_labels(rows_of(tmp_path, ["1"]), {})[0]["verb"].dtype == np.int64
