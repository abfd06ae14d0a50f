"""Columns that processes share."""

import errno
import os
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest

from egocurate.storage.mapped_columns import UNUSED_DAYS, MappedColumns

TEXTS, LISTS = pa.large_string(), pa.large_list(pa.int64())
COLUMNS = {
    "number": (pa.int32(), [[1, 2], [], [3]]),
    "float": (pa.float64(), [[0.5]]),
    "words": (TEXTS, [["a", ""], ["über"], [], ["", "b"]]),
    "no letters": (TEXTS, [["", ""]]),
    "list": (LISTS, [[[1], []], [], [[2, 3]], [[], [4]]]),
    "empty lists": (LISTS, [[[], []]]),
    "no rows": (LISTS, []),
    "no words": (TEXTS, [[]]),
    "no numbers": (pa.int64(), []),
}


def pieces_of(name):
    kind, pieces = COLUMNS[name]
    return lambda: (pa.array(piece, kind) for piece in pieces)


def whole(name):
    kind, pieces = COLUMNS[name]
    return pa.array([value for piece in pieces for value in piece], kind)


def never():
    raise AssertionError("read again")


def test_the_second_time_the_files_are_mapped_and_not_made(tmp_path):
    for name, (kind, _) in COLUMNS.items():
        assert MappedColumns(tmp_path / "new").open(name, kind, pieces_of(name)).equals(whole(name))
    before = pa.total_allocated_bytes()
    again = {name: MappedColumns(tmp_path / "new").open(name, kind, never) for name, (kind, _) in COLUMNS.items()}
    assert pa.total_allocated_bytes() == before
    for name, column in again.items():
        column.validate(full=True)
        assert column.equals(whole(name)) and column.to_pylist() == whole(name).to_pylist()


@pytest.mark.parametrize("kind", [pa.string(), pa.list_(pa.int64())])
def test_pieces_count_from_where_they_begin(tmp_path, kind):
    """A piece may be a part of a larger array, with 32-bit places; the column counts in 64 bits."""
    values = pa.array(["one", "two", "three", "four"] if pa.types.is_string(kind) else [[1], [2, 3], [4], [5, 6]], kind)
    large = TEXTS if pa.types.is_string(kind) else LISTS
    column = MappedColumns(tmp_path).open("column", large, lambda: [values.slice(1, 2), values.slice(3)])
    assert column.type == large and column.to_pylist() == values.to_pylist()[1:]


def test_no_more_than_a_piece_is_in_memory(tmp_path):
    piece = pa.array(["x" * 1000] * 1000)
    before, most = pa.total_allocated_bytes(), []

    def pieces():
        for _ in range(50):
            most.append(pa.total_allocated_bytes() - before)
            yield piece

    assert len(MappedColumns(tmp_path).open("words", TEXTS, pieces)) == 50_000
    assert max(most) < 3 * piece.nbytes


def test_of_those_that_ask_at_once_one_writes(tmp_path):
    reads = []

    def read():
        reads.append(1)
        time.sleep(0.2)
        return [pa.array([1, 2])]

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(MappedColumns(tmp_path).open, "number", pa.int64(), read) for _ in range(4)]
    assert all(np.array_equal(each.result(), [1, 2]) for each in asked) and len(reads) == 1


def test_a_cache_that_cannot_be_written_costs_memory_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for name, (kind, _) in COLUMNS.items():
        column = MappedColumns(tmp_path / "file" / "cache").open(name, kind, pieces_of(name))
        assert column.equals(whole(name)) and column.type == kind


def test_what_nobody_opens_is_removed(tmp_path):
    number = (COLUMNS["number"][0], pieces_of("number"))
    for name in ("old", "used"):
        MappedColumns(tmp_path / name).open("number", *number)
    past = time.time() - (UNUSED_DAYS + 1) * 86_400
    for name in ("old", "used"):
        os.utime(tmp_path / name, (past, past))
    MappedColumns(tmp_path / "used").open("number", pa.int32(), never)
    MappedColumns(tmp_path / "new").open("number", *number)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "used"]


def test_columns_of_another_user_are_mapped_and_those_that_are_not_there_cost_memory_only(tmp_path, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    folder = tmp_path / "theirs"
    MappedColumns(folder).open("words", TEXTS, pieces_of("words"))
    plain_open = os.open

    def read_only(path, flags, *rest, **named):
        return forbidden() if flags & os.O_CREAT else plain_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "utime", forbidden)
    monkeypatch.setattr(os, "open", read_only)
    assert MappedColumns(folder).open("words", TEXTS, never).equals(whole("words"))
    assert MappedColumns(folder).open("number", pa.int32(), pieces_of("number")).equals(whole("number"))
    MappedColumns(folder).note_checked()
    assert not MappedColumns(folder).is_checked


@pytest.mark.parametrize("part", ["offsets", "values", "sizes"])
@pytest.mark.parametrize("spoiled", ["half", "empty", "text", "link", "pipe"])
def test_a_file_that_is_no_column_is_made_again(tmp_path, spoiled, part):
    victim, path = tmp_path / "victim", tmp_path / "new" / f"words.{part}"
    MappedColumns(tmp_path / "new").open("words", TEXTS, pieces_of("words"))
    data = path.read_bytes()
    victim.write_bytes(data)
    path.unlink()
    if spoiled == "link":
        path.symlink_to(victim)
    elif spoiled == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes({"half": data[: len(data) // 2], "empty": b"", "text": b"no column"}[spoiled])
    assert MappedColumns(tmp_path / "new").open("words", TEXTS, pieces_of("words")).equals(whole("words"))
    assert MappedColumns(tmp_path / "new").open("words", TEXTS, never).equals(whole("words"))
    assert victim.read_bytes() == data and not path.is_symlink()


def test_the_folder_is_its_users_own(tmp_path):
    tmp_path.chmod(0o755)
    MappedColumns(tmp_path / "cache" / "index" / "new").open("words", TEXTS, pieces_of("words"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*")}
    files = dict.fromkeys(("words.offsets", "words.values", "words.sizes", "lock"), 0o600)
    assert modes == {"index": 0o700, "new": 0o700, **files}
