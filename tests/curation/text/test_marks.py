import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.text import marks
from egocurate.curation.text.marks import clean_text, is_unsure, normalize, sentence, word_count


@pytest.mark.parametrize(
    ("raw", "clean"),
    [("#C C  picks\tup\n a cup ", "#C C picks up a cup"), ("", ""), (None, ""), (float("nan"), ""), (3, "")],
)
def test_clean_text_folds_white_space_and_keeps_marks(raw, clean):
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("#C C picks a bag of clothes from the floor", "picks a bag of clothes from the floor"),
        ("# C C puts it down.", "puts it down"),
        ("#c c opens the Door", "opens the door"),
        ("@c C walks ", "walks"),
        ("#CC picks a cup", "picks a cup"),
        ("#O A man X throws the ball.,", "a man x throws the ball"),
        ("#O A picks the cup", "picks the cup"),
        ("#O A glass falls", "a glass falls"),
        ("#O X takes #unsure from #Unsure.", "takes from"),
        ("#X X walks", "walks"),
        ("C picks up a cup", "picks up a cup"),
        ("a woman X walks", "a woman x walks"),
        ("#C Cleans the t-shirt", "cleans the t-shirt"),
        ("#cC picks a cup", "picks a cup"),
        ("#CCtalks to X", "talks to x"),
        ("#OOpoints at the cup", "points at the cup"),
        ("#Cpicks a cup", "picks a cup"),
        ("#Opicks a cup", "picks a cup"),
        ("#CHolds a cup", "holds a cup"),
        ("#C Ctalks to X", "talks to x"),
        ("#C CC picks a cup", "picks a cup"),
        ("$C C picks a cup", "picks a cup"),
        ("#Opens the cup", "opens the cup"),
        ("#Oranges", "oranges"),
        ("#Cleans the cup", "cleans the cup"),
        ("#C1 C picks a cup", "picks a cup"),
        ("P1 picks a cup", "picks a cup"),
        ("#C C, picks a cup", "picks a cup"),
        ("#C C - picks a cup", "picks a cup"),
        ("#C C C picks a cup", "picks a cup"),
        ("(C picks a cup)", "picks a cup"),
        ('"C picks a cup"', "picks a cup"),
        ("C's hand moves", "c's hand moves"),
        ("#C C T-shirt", "t-shirt"),
        ("#O O-ring falls", "o-ring falls"),
        ("#C C picks #unsurefrom the cup", "picks the cup"),
        ("#C", ""),
        ("#C C", ""),
        ("", ""),
    ],
)
def test_normalize(text, normal):
    assert normalize(text) == normal


def test_actor_and_letter():
    assert (sentence("#C C cuts").actor, sentence("#C C cuts").letter) == ("C", True)
    assert (sentence("#O a woman cuts").actor, sentence("#O a woman cuts").letter) == ("O", False)
    assert sentence("X cuts").actor == "O"
    assert sentence("take plate").actor == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("#C C speaks", 2),
        ("#C C looks around", 3),
        ("# C C - looks", 2),
        ("#unsure", 0),
        ("#C C picks #unsure", 2),
        ("", 0),
    ],
)
def test_word_count_leaves_out_marks_only(text, words):
    assert word_count(text) == words


@pytest.mark.parametrize(
    ("text", "unsure"),
    [
        ("#C C picks #unsure", True),
        ("#C C picks # Unsure.", True),
        ("#C C picks #unsured", True),
        ("#C C picks cup #unsurefrom the table", True),
        ("#C C picks #Unssure", True),
        ("#C C picks #UNSRUE", True),
        ("#C C picks @usure", True),
        ("#C C picks #un sure", True),
        ("#C C picks #not sure", True),
        ("#C C picks #unknown", True),
        ("#C C picks #unclear thing", True),
        ("#C C picks (unsure)", True),
        ("#C C picks *Unsure*", True),
        ("#C C picks $unsure", True),
        ("#C C is unsure", False),
        ("#summary C cooks", False),
        ("#O measures", False),
        ("#Unlocks the door", False),
        ("#C C picks cup", False),
    ],
)
def test_is_unsure(text, unsure):
    assert is_unsure(text) is unsure


@given(st.text(alphabet="#@ CcOoXxAaunsreky.,-\t\n", max_size=40))
def test_normal_form_is_lower_case_folded_and_without_marks(raw):
    normal = normalize(clean_text(raw))
    assert normal == normal.lower() == " ".join(normal.split())
    assert not is_unsure(normal)
    assert "#c " not in normal


@given(
    st.sampled_from(["#C C ", "#O O ", "#C O ", "#O C ", "#C CC ", "#c C ", "#C C"]),
    st.lists(
        st.sampled_from(["a", "c", "o", "x", "cc", "picks", "cuts", "unsure", "bag", "C", "X", "t-shirt"]), max_size=6
    ),
    st.sampled_from(["", ".", " ", " .", ".,", "\n"]),
)
def test_what_is_read_at_once_is_what_a_closer_look_reads(subject, words, end):
    text = subject + " ".join(words) + end
    at_once = sentence(text), word_count(text)
    with mock.patch.object(marks, "_PLAIN", re.compile("(?!)")):
        assert (sentence(text), word_count(text)) == at_once
