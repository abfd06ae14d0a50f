import pytest

from egocurate.curation.text.subject import is_letter, starts_with_verb, subject_length


@pytest.mark.parametrize(
    ("subject", "rest"),
    [
        ("a man x", "picks a cup"),
        ("a man x", "pciks a cup"),
        ("man x", "hold the pole"),
        ("person a", "moves"),
        ("person 1", "hands person 2 a plate"),
        ("old woman", "waves"),
        ("dog", "barks"),
        ("dogs", "run"),
        ("cars", "move on the road"),
        ("player", "shuffles cards"),
        ("the man in blue", "points at the book"),
        ("the man in blue jeans", "shuffles cards"),
        ("a lady in a black dress", "walks past c"),
        ("the man beside c", "talks to him"),
        ("the woman with glasses", "moves"),
        ("a man with a hat", "waves"),
        ("a person wearing a hat", "looks around"),
        ("the boy sitting on the chair", "points at the screen"),
        ("the man who is sitting", "drinks water"),
        ("the man's hand", "holds the cup"),
        ("two men", "carry the sofa"),
        ("left hand", "picks a cup"),
        ("both hands", "hold the cup"),
        ("both", "look at the phone"),
        ("they", "talk"),
        ("the man", "held a cup"),
        ("the man", "is washing plates in the sink"),
        ("a man", "washing plates in the sink"),
        ("the plates", "are washed"),
        ("the glass", "falls"),
        ("one of the men", "throws a ball"),
        ("x and y", "play chess"),
    ],
)
def test_whoever_acts_is_told_from_what_is_done(subject, rest):
    words = [*subject.split(), *rest.split()]
    letter = is_letter(words, 0)  # then `marks.sentence` has taken it off
    assert subject_length(words[letter:], letter) == len(subject.split()) - letter


@pytest.mark.parametrize(
    "text",
    [
        "picks a cup",
        "cut onions",
        "water plants",
        "waters plants",
        "cook beans",
        "hammers nails",
        "washing plates",
        "",
        "the end",
        "left the room",
        "in the left hand",
    ],
)
def test_a_narration_that_names_nobody_has_no_subject(text):
    assert subject_length(text.split(), False) == 0


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("and man x carry the table", 3),
        ("man x and woman y walk", 5),
        ("and the lady talk", 3),
        ("and cuts the rope", 0),
        ("and close the jar", 0),
        ("picks a cup", 0),
        ("the cup", 0),
        ("with the left hand picks a cup", 4),
        ("who is seated picks a cup", 3),
        ("left hand holds a cup", 2),
        ("left the room", 0),
        ("in the car", 0),
    ],
)
def test_after_a_letter_only_who_else_acts_is_a_subject(text, length):
    assert subject_length(text.split(), True) == length


def test_an_adverb_before_the_verb_stays_with_the_subject():
    assert subject_length(["he", "quickly", "turns"], False) == 2
    assert subject_length(["then", "picks", "cups"], True) == 1


def test_what_a_narration_may_begin_with():
    assert starts_with_verb(["picks", "cups"])
    assert not any(starts_with_verb(text.split()) for text in ("the cup", "his hand", "in the left hand", "c's cup"))
