"""Columns that processes share."""

import errno
import os
import stat
import time

import pyarrow as pa
import pytest

from egocurate.storage.mapped_columns import UNUSED_DAYS, MappedColumns

COLUMNS = {
    "number": pa.array([1, 2, 3]),
    "words": pa.array(["a", "", "über"]),
    "repeated": pa.array(["x", "x", "y"]).dictionary_encode(),
    "list": pa.array([[1], [], [2, 3]]),
    "empty": pa.array([], pa.list_(pa.int64())),
}


def never():
    raise AssertionError("read again")


def test_the_second_time_the_file_is_mapped_and_not_made(tmp_path):
    for name, column in COLUMNS.items():
        assert MappedColumns(tmp_path / "new").open(name, lambda column=column: column).equals(column)
    before = pa.total_allocated_bytes()
    again = {name: MappedColumns(tmp_path / "new").open(name, never) for name in COLUMNS}
    assert all(again[name].equals(column) for name, column in COLUMNS.items())
    assert pa.total_allocated_bytes() == before


def test_a_cache_that_cannot_be_written_costs_memory_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    column = COLUMNS["words"]
    assert MappedColumns(tmp_path / "file" / "cache").open("words", lambda: column) is column


def test_what_nobody_opens_is_removed(tmp_path):
    for name in ("old", "used"):
        MappedColumns(tmp_path / name).open("number", lambda: COLUMNS["number"])
    past = time.time() - (UNUSED_DAYS + 1) * 86_400
    for name in ("old", "used"):
        os.utime(tmp_path / name, (past, past))
    MappedColumns(tmp_path / "used").open("number", never)
    MappedColumns(tmp_path / "new").open("number", lambda: COLUMNS["number"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "used"]


def test_columns_of_another_user_are_mapped_and_those_that_are_not_there_cost_memory_only(tmp_path, monkeypatch):
    def forbidden(*_args, **_kwargs):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    folder, column = tmp_path / "theirs", COLUMNS["words"]
    MappedColumns(folder).open("words", lambda: column)
    plain_open = os.open

    def read_only(path, flags, *rest, **named):
        return forbidden() if flags & os.O_CREAT else plain_open(path, flags, *rest, **named)

    monkeypatch.setattr(os, "utime", forbidden)
    monkeypatch.setattr(os, "open", read_only)
    assert MappedColumns(folder).open("words", never).equals(column)
    assert MappedColumns(folder).open("number", lambda: COLUMNS["number"]) is COLUMNS["number"]
    MappedColumns(folder).note_checked()
    assert not MappedColumns(folder).is_checked


@pytest.mark.parametrize("spoiled", ["half", "empty", "text", "link", "pipe"])
def test_a_file_that_is_no_column_is_made_again(tmp_path, spoiled):
    victim, path, column = tmp_path / "victim", tmp_path / "new" / "words.arrow", COLUMNS["words"]
    MappedColumns(tmp_path / "new").open("words", lambda: column)
    data = path.read_bytes()
    victim.write_bytes(data)
    path.unlink()
    if spoiled == "link":
        path.symlink_to(victim)
    elif spoiled == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes({"half": data[: len(data) // 2], "empty": b"", "text": b"no column"}[spoiled])
    assert MappedColumns(tmp_path / "new").open("words", lambda: column).equals(column)
    assert MappedColumns(tmp_path / "new").open("words", never).equals(column)
    assert victim.read_bytes() == data and not path.is_symlink()


def test_the_folder_is_its_users_own(tmp_path):
    tmp_path.chmod(0o755)
    MappedColumns(tmp_path / "cache" / "index" / "new").open("words", lambda: COLUMNS["words"])
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").rglob("*")}
    assert modes == {"index": 0o700, "new": 0o700, "words.arrow": 0o600}
