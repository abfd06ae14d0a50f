"""What somebody types to search becomes what a narration would say, and what is a narration stays."""

import pytest

from egocurate.curation.synthetic.script import NOUNS, VERBS
from egocurate.curation.synthetic.script import third_person as as_annotators_write
from egocurate.curation.text.as_narrated import as_narrated
from egocurate.curation.text.inflection import third_person


@pytest.mark.parametrize(
    ("typed", "narrated"),
    [
        ("open the fridge", "opens the fridge"),
        ("Open the fridge.", "opens the fridge"),
        ("opening the fridge", "opens the fridge"),
        ("to open the fridge", "opens the fridge"),
        ("I open the fridge", "opens the fridge"),
        ("#C C opens the fridge", "opens the fridge"),
        ("opens the fridge", "opens the fridge"),
        ("putting down a phone", "puts down a phone"),
        ("dry plates", "dries plates"),
        ("wash hands", "washes hands"),
        ("water the plants", "waters the plants"),
        ("have a cup", "has a cup"),
        ("cup on a table", "cup on a table"),
        ("spring onion", "spring onion"),
        ("the man walks", "the man walks"),
        ("left hand", "left hand"),
        ("knife", "knife"),
        ("#C C", ""),
        (" . ", ""),
    ],
)
def test_known_texts(typed, narrated):
    assert as_narrated(typed) == narrated


@pytest.mark.parametrize("verb", [word for words in VERBS.values() for word in words])
def test_every_order_of_the_demo_is_what_its_annotators_write(verb):
    for noun in NOUNS:
        assert as_narrated(f"{verb} {noun}") == f"{as_annotators_write(verb)} {noun}"
        assert as_narrated(f"{as_annotators_write(verb)} the {noun}") == f"{as_annotators_write(verb)} the {noun}"


@pytest.mark.parametrize(("base", "form"), [("go", "goes"), ("fix", "fixes"), ("carry", "carries"), ("play", "plays")])
def test_the_third_person(base, form):
    assert third_person(base) == form
