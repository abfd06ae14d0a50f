"""A broken index.parquet is one line, or every row of it is what the file says; in memory and mapped."""

import hashlib
import io
import json
import math
import shutil
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.shards.read import open_index
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.shard_format import INDEX_SCHEMA
from tests.fuzz.broken import ODD_NUMBERS, ODD_TEXTS, broken_bytes
from tests.fuzz.harness import Target
from tests.fuzz.shard_folder import write_folder

LISTS = ("tag_verb", "tag_noun", "negatives")
VALUES = set(INDEX_SCHEMA.names) - {*LISTS, "offsets", "sizes", "crc32", "shard", "sample"}
TYPES = (pa.string(), pa.large_string(), pa.binary(), pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float32())
TYPES += (pa.float64(), pa.bool_(), pa.list_(pa.int32()), pa.list_(pa.float64()), pa.large_list(pa.int64()), pa.null())
TYPES += (pa.list_(pa.list_(pa.int64())), pa.struct([("a", pa.int64())]), pa.timestamp("us"), pa.decimal128(20, 2))
TYPES += (pa.dictionary(pa.int32(), pa.string()), pa.map_(pa.string(), pa.int64()))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("whole")).out


def broken_index(rng, data):
    """Return the bytes of an index of which one or two columns have other values, another type, or are gone."""
    table = pq.read_table(pa.BufferReader(data))
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.randrange(table.num_columns)
        field, column = table.schema.field(at), table.column(at)
        match rng.randrange(10):
            case 0:
                table = table.remove_column(at)
            case 1:
                table = table.set_column(at, rng.choice((*INDEX_SCHEMA.names, "other")), column)
            case 2:
                table = table.take(pa.array(rng.sample(range(len(table)), rng.randrange(len(table) + 1)), pa.int64()))
            case 3:
                table = pa.concat_tables([table] * 2)
            case 4:
                table = table.set_column(at, field.name, _as_type(column, rng.choice(TYPES)))
            case _:
                table = table.set_column(at, field, _changed(rng, column, field.type))
    file = io.BytesIO()
    try:
        pq.write_table(table, file)
    except pa.ArrowException:  # a type that parquet does not have
        return broken_index(rng, data)
    return file.getvalue()


def _as_type(column, kind):
    try:
        return column.cast(kind)
    except pa.ArrowException:
        return pa.nulls(len(column), kind)


def _changed(rng, column, kind):
    values = column.to_pylist()
    if not values:
        return column
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(values))
        values[at] = rng.choice((None, _odd(rng, values[at]), rng.choice(values)))
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError, TypeError, UnicodeEncodeError):
        return column


def _odd(rng, value):
    if isinstance(value, list):
        return rng.choice(([], [None], value * 3, value[:-1], [*value[:-1], _odd(rng, 0)], None))
    if isinstance(value, str):
        return rng.choice(ODD_TEXTS)
    return rng.choice(ODD_NUMBERS)


def any_bytes(rng, data):
    return broken_bytes(rng, data, (b"PAR1", b"\x15\x00", bytes(8), b"\xff" * 8))


@contextmanager
def kept_in(cache):
    """Have the columns of every index, however small, kept in a folder of this name."""
    with mock.patch.object(open_index, "MAPPED_FROM", 0), mock.patch.object(open_index, "cache_folder", lambda: cache):
        yield


def rows_by(folder):
    """Every row of a folder by the reader under test."""
    index = ShardIndex.open(folder)
    rows = []
    for n in range(len(index)):
        row = index.row(n)
        assert len(index.member_names(n)) == len(row.spans)
        lists = {name: getattr(row, name).tolist() for name in LISTS}
        members = {"offsets": [at for at, _ in row.spans], "sizes": [size for _, size in row.spans]}
        values = {name: getattr(row, name) for name in VALUES}
        rows.append(values | lists | members | {"shard": int(index.shard[n]), "crc32": index.crc32(n)})
    if len({row["key"] for row in rows}) == len(rows):
        assert [index.get(row["key"]) for row in rows] == list(range(len(rows)))
    return rows


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and one == other


def says(data, rows):
    """Whether rows are those of the index in these bytes."""
    expected = pq.ParquetFile(pa.BufferReader(data)).read([*LISTS, *VALUES]).to_pylist()
    return len(rows) == len(expected) and all(
        same(row[name], want[name]) for row, want in zip(rows, expected, strict=True) for name in want
    )


def make(where: Path, name: str, *, mapped: bool, fits: bool) -> Target:
    """The target of this name on a folder that is written in `where` once; runs in a process of its own."""
    folder, cache = where / f"shards of {name}", where / "cache"
    if not folder.exists():
        shutil.copytree(where / "whole" / "shards", folder)
    whole = (where / "whole" / "shards" / "index.parquet").read_bytes()
    manifest = json.loads((where / "whole" / "shards" / "manifest.json").read_text())

    def read(data):
        (folder / "index.parquet").write_bytes(data)
        written = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} if fits else manifest["index"]
        (folder / "manifest.json").write_text(json.dumps(manifest | {"index": written}))
        shutil.rmtree(cache, ignore_errors=True)
        with kept_in(cache) if mapped else nullcontext():
            rows = rows_by(folder)
            return repr(rows_by(folder)) == repr(rows) and rows

    def right(data, rows):
        return says(data, rows) if fits else data == whole

    return Target(name, [whole], broken_index if "values" in name else any_bytes, read, right, hang_sec=10)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    where = tmp_path_factory.mktemp("index")
    write_folder(where / "whole")
    return where


@pytest.mark.parametrize(
    "mapped", [pytest.param(False, id="in memory", marks=pytest.mark.slow), pytest.param(True, id="mapped")]
)
@pytest.mark.parametrize(
    ("kind", "fits", "inputs"),
    [("values", True, 250), ("bytes", True, 150), ("bytes, digest as it was", False, 100)],
)
def test_index(place, clean, mapped, kind, fits, inputs):
    name = f"index.parquet, {kind}{', mapped' if mapped else ''}"
    clean(partial(make, place, name, mapped=mapped, fits=fits), inputs, memory_gb=4)


def test_a_whole_index_is_read(written):
    rows = rows_by(written)
    data = (written / "index.parquet").read_bytes()
    assert len(rows) == 10 and says(data, rows)
    assert not says(data, [rows[1], *rows[1:]])
    assert isinstance(rows[0]["fps"], float) and np.isfinite(rows[0]["fps"])
    (written / "index.parquet").unlink()
    with pytest.raises(InputError):
        rows_by(written)
