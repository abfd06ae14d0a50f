import os
import pickle

import numpy as np
import pytest

from egocurate.errors import InputError
from egocurate.storage.plain_pickle import plain_value, read_plain_pickle

PLAIN = [
    ("uid-1", 1.5, 2, ["#C C opens the door", "ouvre la porte é"]),
    ("uid-1", -3, 10**30, []),
    ["uid-2", 0.0, None, True, ()],
]


class Runs:
    """What calls a function of the system when a pickle of it is loaded."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_lists_tuples_texts_and_numbers_of_any_protocol_come_back(protocol):
    same = PLAIN[0]
    value = [*PLAIN, same, same]  # written once, and numbered
    assert plain_value(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "thing",
    [np.float64(1.5), {"a": 1}, {1}, b"x", bytearray(b"x"), len, Runs, object()],
    ids=lambda thing: type(thing).__name__,
)
def test_anything_else_is_refused(thing, protocol):
    with pytest.raises(ValueError, match="instruction"):
        plain_value(pickle.dumps([("uid", 0.0, 1.0, thing)], protocol))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_file_runs_nothing(tmp_path, protocol):
    path, sign = tmp_path / "captions.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps([("uid", 0.0, 1.0, Runs(f"touch {sign}"))], protocol))
    with pytest.raises(InputError, match="save it as jsonl"):
        read_plain_pickle(path)
    assert not sign.exists()
    pickle.loads(path.read_bytes())
    assert sign.exists()  # it would have, by Python's own reader


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        b"\x80\x04.",
        b"\x80\x04].]",
        b"\x80\x04K\x01K\x02.",
        b"\x80\x04(.",
        b"\x80\x04e.",
        b"\x80\x04K\x01e.",
        b"\x80\x04K\x01(K\x02e.",
        b"\x80\x04\x86.",
        b"\x80\x04h\x05.",
        b"\x80\x04r\xff\xff\xff\xff.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fx.",
        pickle.dumps(PLAIN)[:-3],
    ],
    ids=str,
)
def test_what_is_no_pickle_or_not_a_whole_one_is_refused(tmp_path, data):
    path = tmp_path / "captions.pkl"
    path.write_bytes(data)
    if data == b"\x80\x04].]":  # what follows the end is not looked at
        assert read_plain_pickle(path) == []
        return
    with pytest.raises(InputError, match=r"captions\.pkl: not a pickle"):
        read_plain_pickle(path)


def test_a_place_in_the_memo_takes_no_memory_of_its_own():
    assert plain_value(b"\x80\x04]r\xff\xff\xff\x7f.") == []
