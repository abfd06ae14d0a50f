"""Lists in cells are matched, not evaluated."""

import warnings

import pytest

from egocurate.literal_lists import class_list, word_list


@pytest.mark.parametrize("words", [[], ["take"], ["pick up", "don't", 'a"b', "é\\\n\t", "\x7f\u2028", "[1]"]])
def test_words_as_python_prints_them(words):
    assert word_list(str(words)) == words
    assert word_list(f" {words}\n") == words


@pytest.mark.parametrize("classes", [[], [0], [192, 115, 12], [999_999_999]])
def test_classes_as_python_prints_them(classes):
    assert class_list(str(classes)) == classes


@pytest.mark.parametrize(
    "text",
    ["", "take", "'take'", "('a',)", "['a', 1]", "['a' 'b']", "[['a']]", "{'a'}", "[b'a']", "[f'a']", "['a']*9",
     "[" * 9999, "['\\N{NO SUCH NAME}']", "['\\x']", "__import__('os')", "-" * 9999 + "1", "['a'", "['a\n']"],
)  # fmt: skip
def test_what_is_no_list_of_words(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert word_list(text) is None


@pytest.mark.parametrize(
    "text", ["", "1", "[-1]", "[1.0]", "[True]", "['1']", "[1,]", "[01]", "[1_0]", "[１]", f"[{2**31}]"]
)
def test_what_is_no_list_of_classes(text):
    assert class_list(text) is None
