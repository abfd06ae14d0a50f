"""A large table lies in a file that nobody sees, and is what was read, whatever its types."""

import errno
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.storage import mapped_table as module
from egocurate.storage import typed_parquet
from egocurate.storage.mapped_table import mapped_table
from egocurate.storage.typed_parquet import read_typed

SCHEMA = pa.schema([("name", pa.string()), ("n", pa.int64()), ("tags", pa.list_(pa.int32()))])
ROWS = 1000
TABLE = pa.table(
    {
        "name": [f"é {n}" for n in range(ROWS)],
        "n": range(ROWS),
        "tags": [[*range(n % 4)] for n in range(ROWS)],
        "more": [0] * ROWS,
    }
).replace_schema_metadata({"k": "v"})


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "egocurate"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(typed_parquet, "MAPPED_FROM", ROWS)
    monkeypatch.setattr("egocurate.storage.parquet.PIECE_ROWS", 70)
    pq.write_table(TABLE, tmp_path / "t.parquet", row_group_size=300)
    return tmp_path / "t.parquet"


def pieces():
    return (TABLE.slice(first, 300) for first in range(0, ROWS, 300))


def test_a_mapped_table_is_its_pieces_and_no_memory_of_its_own(cache):
    expected = pa.concat_tables(pieces())
    before = pa.total_allocated_bytes()
    table = mapped_table(pieces)
    assert pa.total_allocated_bytes() - before < expected.nbytes / 4
    assert table.equals(expected) and table.schema.equals(TABLE.schema, check_metadata=True)
    assert list(cache.iterdir()) == []  # and nothing is left behind, whatever happens to the process


def test_a_large_parquet_file_reads_as_a_small_one(path, cache, monkeypatch):
    mapped = read_typed(path, SCHEMA)
    assert cache.is_dir() and mapped["n"].num_chunks > 3
    monkeypatch.setattr(typed_parquet, "MAPPED_FROM", ROWS + 1)
    table = read_typed(path, SCHEMA)
    assert mapped.equals(table) and mapped.schema.equals(table.schema, check_metadata=True)


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("n", [None, *range(1, ROWS)], "column 'n' lacks 1 values"),
        ("n", [*range(1, ROWS), None], "column 'n' lacks 1 values"),
        ("n", ["a"] * ROWS, "column 'n' holds string"),
        ("tags", [[2**31]] * ROWS, "does not fit its column"),
        ("name", pa.Array.from_buffers(pa.string(), ROWS, pa.array([b"\xff"] * ROWS).buffers()), "not a readable"),
    ],
)
def test_a_large_file_is_refused_as_a_small_one(path, cache, name, column, words):
    pq.write_table(TABLE.set_column(TABLE.column_names.index(name), name, pa.array(column)), path)
    with pytest.raises(InputError, match=words):
        read_typed(path, SCHEMA)


def test_a_large_file_that_has_changed_on_the_disk_is_refused(path, cache):
    pq.write_table(TABLE, path, write_page_checksum=True)
    data = path.read_bytes()
    path.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    with pytest.raises(InputError, match="not a readable parquet file"):
        read_typed(path, SCHEMA)


def test_without_a_place_to_write_the_table_is_read_into_memory(path, cache, monkeypatch):
    cache.parent.mkdir()
    cache.write_text("in the way")
    assert read_typed(path, SCHEMA).equals(TABLE.select(SCHEMA.names).cast(SCHEMA))
    cache.unlink()

    class Full(io.BytesIO):
        def __init__(self, **_):
            super().__init__()

        def write(self, data):
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", Full)
    assert read_typed(path, SCHEMA).equals(TABLE.select(SCHEMA.names).cast(SCHEMA))
