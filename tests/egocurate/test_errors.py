"""A message is one printable line, whatever it quotes."""

import pickle

import pytest

from egocurate.errors import LONGEST_LINE, InputError, StoreError


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("plain: é, 'x'", "plain: é, 'x'"),
        ("first\nsecond\n", "first second"),
        ("a\x1b[2Jb\x00\r", "a\\x1b[2Jb\\x00\\r"),
        ("half \ud800 and \u202e", "half \\ud800 and \\u202e"),
    ],
)
def test_what_breaks_a_line_is_escaped(message, line):
    assert str(InputError(message)) == line


def test_a_long_value_loses_its_middle_and_the_way_out_stays():
    line = str(InputError(f"t.csv: line 2: time has {'9' * 100_000!r}; write seconds as 62.5"))
    assert len(line) == LONGEST_LINE and line.startswith("t.csv: line 2: time has '99")
    assert line.endswith("99'; write seconds as 62.5") and " ... " in line


def test_escapes_do_not_make_a_line_longer_than_the_longest():
    assert len(str(InputError("\x00" * 800))) <= LONGEST_LINE


def test_an_error_of_a_worker_is_the_same_here():
    error = pickle.loads(pickle.dumps(StoreError("a\nb")))
    assert type(error) is StoreError and str(error) == "a b"
