"""A parquet file has the columns of a schema in its types, or it is refused; what changed on the disk is found."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.storage.parquet import write_parquet
from egocurate.storage.typed_parquet import read_typed

SCHEMA = pa.schema([("name", pa.string()), ("n", pa.int64()), ("t", pa.float64()), ("tags", pa.list_(pa.int32()))])
TABLE = pa.table({"name": ["a", "é"], "n": [1, 2], "t": [0.5, 2.0], "tags": [[1], []], "more": [None, None]})


def written(tmp_path, table, **options):
    pq.write_table(table, tmp_path / "t.parquet", **options)
    return tmp_path / "t.parquet"


def with_column(name, column):
    return TABLE.set_column(TABLE.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("name", pa.large_string()),
        ("name", pa.dictionary(pa.int32(), pa.string())),
        ("n", pa.uint8()),
        ("t", pa.float32()),
        ("tags", pa.large_list(pa.int64())),
    ],
)
def test_a_type_that_holds_no_more_becomes_that_of_the_schema(tmp_path, name, kind):
    table = with_column(name, TABLE[name].cast(kind)).replace_schema_metadata({"k": "v"})
    found = read_typed(written(tmp_path, table), SCHEMA)
    assert found.schema.equals(SCHEMA) and found.to_pylist() == TABLE.select(SCHEMA.names).to_pylist()
    assert found.schema.metadata[b"k"] == b"v"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (with_column("n", pa.array(["1", "2"])), "column 'n' holds string, not int64"),
        (with_column("n", pa.array([1.0, 2.0])), "column 'n' holds double"),
        (with_column("t", pa.array([1, 2])), "column 't' holds int64"),
        (with_column("n", pa.array([1, None])), "column 'n' lacks 1 values"),
        (with_column("tags", pa.array([[1], [None]])), "column 'tags' lacks 1 values"),
        (with_column("tags", pa.array([[1], [2**31]])), "does not fit its column"),
        (with_column("n", pa.array([2**64 - 1, 1], pa.uint64())), "does not fit its column"),
        (TABLE.drop_columns(["t"]), "columns t are missing"),
        (TABLE.append_column("n", TABLE["n"]), "several columns are called 'n'"),
    ],
)
def test_another_type_is_refused(tmp_path, table, words):
    with pytest.raises(InputError, match=words):
        read_typed(written(tmp_path, table), SCHEMA)


def test_what_may_lack_may_lack(tmp_path):
    table = with_column("t", pa.array([None, 1.0])).drop_columns(["tags"])
    found = read_typed(written(tmp_path, table), SCHEMA, optional=["tags"], nullable=["t"])
    assert found["t"].to_pylist() == [None, 1.0] and "tags" not in found.column_names


def test_a_text_that_is_not_utf_8_is_refused(tmp_path):
    raw = pa.array([b"a", b"\xff"])
    bad = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    with pytest.raises(InputError, match="not a readable parquet file"):
        read_typed(written(tmp_path, with_column("name", bad)), SCHEMA)


def test_a_value_that_changed_on_the_disk_is_found(tmp_path):
    path = tmp_path / "t.parquet"
    with path.open("wb") as file:
        write_parquet(pa.table({"t": [float(n) for n in range(1000)]}), file)
    data = path.read_bytes()
    for place in range(200, len(data) // 2, 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(InputError):
            read_typed(path, pa.schema([("t", pa.float64())]))
