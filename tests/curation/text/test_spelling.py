import pytest

from egocurate.curation.text.spelling import meant, one_slip


@pytest.mark.parametrize(
    ("word", "other", "slip"),
    [
        ("pciks", "picks", True),
        ("spon", "spoon", True),
        ("spoone", "spoon", True),
        ("spuon", "spoon", True),
        ("spoon", "spoon", False),
        ("spn", "spoon", False),
        ("nops", "spon", False),
    ],
)
def test_one_slip(word, other, slip):
    assert one_slip(word, other) is slip
    assert one_slip(other, word) is slip


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("pciks", ["pick", "put"], ["pick"]),
        ("drawr", ["draw", "drawer"], ["draw", "drawer"]),
        ("table", ["cable", "tables"], []),  # an English word
        ("spicy", ["spice"], []),  # an adjective
        ("unglues", ["glue"], []),  # another first letter
        ("cpu", ["cup"], []),  # too short
    ],
)
def test_what_is_meant(word, known, found):
    assert meant(word, known) == found
