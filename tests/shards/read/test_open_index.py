"""An index in memory and one mapped from its copy are the same, however it is read."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.shards.read import check_index, open_index
from egocurate.shards.read.index import LIST_COLUMNS, TEXT_COLUMNS, ShardIndex
from egocurate.shards.read.index_columns import column_kind
from egocurate.shards.write.write_shards import write_shards
from egocurate.storage import parquet
from tests.shards.forge import forge_index, with_column


@pytest.fixture(scope="module")
def folder(make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("written"))
    write_shards(job)
    return job.out


@pytest.fixture
def mapped(monkeypatch, tmp_path):
    monkeypatch.setattr(open_index, "MAPPED_FROM", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("piece", [1, 2, 1000])
def test_a_mapped_index_has_the_rows_of_one_in_memory(folder, mapped, monkeypatch, tmp_path, piece):
    monkeypatch.setattr(parquet, "PIECE_ROWS", piece)
    monkeypatch.setattr(check_index, "PIECE_SAMPLES", piece)
    copy = ShardIndex.open(folder)
    monkeypatch.setattr(open_index, "MAPPED_FROM", 1000)
    index = ShardIndex.open(folder)
    assert len(copy) == len(index) > 10 and list((tmp_path / "cache").rglob("key.offsets"))
    for n in range(len(index)):
        ours, theirs = vars(copy.row(n)), vars(index.row(n))
        assert {name: str(value) for name, value in ours.items()} == {
            name: str(value) for name, value in theirs.items()
        }
        assert copy.crc32(n) == index.crc32(n)


@pytest.mark.parametrize("from_samples", [1, 1000])
def test_texts_and_lists_are_counted_in_64_bits(folder, mapped, monkeypatch, from_samples):
    """Offsets of 32 bits end at 2 GiB of texts, which 36 M clips have, and at 2^31 numbers of lists."""
    monkeypatch.setattr(open_index, "MAPPED_FROM", from_samples)
    index = ShardIndex.open(folder)
    assert {index._texts[name].type for name in TEXT_COLUMNS} == {pa.large_string()}
    assert {index._lists[name].offsets.dtype.name for name in LIST_COLUMNS} == {"int64"}
    assert {column_kind(name) for name in ("offsets", "sizes", "crc32")} == {pa.large_list(pa.int64())}


@pytest.mark.parametrize("name", ["text", "tag_verb", "fps"])
@pytest.mark.parametrize("from_samples", [1, 1000])
def test_a_row_without_a_value_is_one_line(folder, mapped, monkeypatch, tmp_path, name, from_samples):
    monkeypatch.setattr(open_index, "MAPPED_FROM", from_samples)
    forged = tmp_path / "forged"
    forged.mkdir()
    for path in folder.iterdir():
        (forged / path.name).write_bytes(path.read_bytes())
    forge_index(forged, with_column(name, lambda values: [None, *values[1:]]))
    assert pq.read_table(forged / "index.parquet")[name].null_count == 1
    with pytest.raises(InputError, match=f"{name}.* a row without a value") as raised:
        ShardIndex.open(forged)
    assert "\n" not in str(raised.value)
