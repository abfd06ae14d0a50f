"""Columns that processes share."""

import os
import time

import pyarrow as pa

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
