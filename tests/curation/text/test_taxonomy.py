from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egocurate.curation.text.taxonomy import (
    NOUN_FILE,
    VERB_FILE,
    Lexicon,
    form_words,
    general_words,
    load_lexicon,
    taxonomy,
    write_lexicon,
)
from egocurate.errors import InputError

EGO4D = Path(__file__).parents[4] / "shared" / "data" / "ego4d-taxonomy"


def test_a_word_of_several_groups_prefers_the_label_that_begins_with_it_then_the_one_that_names_it_then_the_first():
    part = taxonomy(
        ["adjust", "cut_(slice,_chop)", "lift", "take_(pick,_lift)", "use"],
        [["change", "use"], ["cut", "slice"], ["lift"], ["take", "lift", "slice", "run"], ["use", "run"]],
    )
    assert part.forms["lift"] == (2, 3)
    assert part.forms["slice"] == (1, 3)
    assert part.forms["use"] == (4, 0)
    assert part.forms["run"] == (3, 4)


def test_forms_are_words_and_marks_and_letters_are_none():
    part = taxonomy(
        ["turn_on", "cup", "stroller"],
        [
            ["turn_on", "Switch-On", "increase/reduce"],
            ["cup", "unsure", "sachet of #unsure", "x", "girl's cup"],
            ["pram"],
        ],
    )
    assert set(part.forms) == {"turn on", "switch on", "increase", "reduce", "cup", "girl cup", "pram", "stroller"}
    assert form_words("T-shirt's") == ("t", "shirt")


def test_a_plural_prefers_the_class_that_has_its_singular():
    part = taxonomy(["awl", "pepper"], [["chili peppers"], ["chili pepper", "chili peppers"]])
    assert part.forms["chili peppers"] == (1, 0)


def test_a_general_word_is_one_that_names_another_class_with_its_label_and_with_other_words():
    labels = ["sandpaper", "sander", "sewing_machine", "washing_machine", "board"]
    groups = [["sandpaper", "machine"], ["sandpaper machine"], ["sewing machine"], ["washing machine"], ["board"]]
    assert general_words(taxonomy(labels, groups)) == {"machine"}
    assert general_words(taxonomy(labels, [["machine"], [], *groups[2:]])) == frozenset()
    assert general_words(taxonomy(["machine", *labels[1:]], groups)) == frozenset()


def test_ego4d_taxonomy():
    if not EGO4D.is_dir():
        pytest.skip("the Ego4D taxonomy is not beside this repository")
    lexicon = load_lexicon(EGO4D)
    assert (len(lexicon.verbs), len(lexicon.nouns)) == (118, 582)
    assert lexicon.verbs.forms["pick"] == (93,)
    assert lexicon.verbs.forms["hand"] == (31,)
    assert lexicon.nouns.forms["hand"][0] == 236  # hand_(finger,...), not napkin_(...), whose group holds it too
    assert lexicon.nouns.labels[lexicon.nouns.forms["plate"][0]].startswith("plate_")


words = st.text(alphabet="abc-_ /'", min_size=1, max_size=8)


@given(st.lists(st.tuples(words, st.lists(words, max_size=4)), min_size=1, max_size=6))
def test_written_and_read_back_is_the_same(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("lexicon")
    labels, groups = [label for label, _ in rows], [group for _, group in rows]
    lexicon = Lexicon(verbs=taxonomy(labels, groups), nouns=taxonomy(labels[::-1], groups[::-1]))
    write_lexicon(lexicon, folder)
    assert load_lexicon(folder) == lexicon


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("label,words\ntake,['take']\n", "column 'group' is missing"),
        ("label,group\n", "no rows"),
        ("label,group\ntake,take\n", "line 2: group is 'take'"),
        ("label,group\ntake,['take']\nput\n", "line 3 has fewer fields"),
        ("label,group\ntake,\"['take', 3]\"\n", "line 2"),
        (b"label,group\ntake,['\xff']\n", "UTF-8"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path, content, says):
    (tmp_path / NOUN_FILE).write_text("label,group\ncup,['cup']\n")
    if content is not None:
        (tmp_path / VERB_FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=says) as caught:
        load_lexicon(tmp_path)
    assert VERB_FILE in str(caught.value) and "\n" not in str(caught.value)
