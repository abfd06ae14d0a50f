"""A csv file is a header and rows of as many cells, or it is refused with the line."""

import gzip

import pytest

from egocurate.errors import InputError
from egocurate.storage import csv_file
from egocurate.storage.csv_file import read_csv


@pytest.fixture
def file(tmp_path):
    def write(data: bytes, name: str = "t.csv"):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return write


def test_rows_have_the_line_on_which_they_begin(file):
    table = read_csv(file(b'\xef\xbb\xbfa,b\n\n1,"x\ny"\r\n2,\n'))
    assert table == (["a", "b"], [["1", "x\ny"], ["2", ""]], [3, 5])
    assert list(table.select("t.csv", ["b"])) == [["x\ny"], [""]]


def test_the_separator_is_that_of_the_header(file):
    assert read_csv(file(b"a;b;c\n1;2;3,4\n"), ",;").rows == [["1", "2", "3,4"]]


def test_cells_that_lack_are_empty_where_that_is_allowed(file):
    path = file(b"a,b,c\n1\n")
    assert read_csv(path, fill=True).rows == [["1", "", ""]]
    with pytest.raises(InputError, match=r"line 2 has fewer fields than the header \(1, not 3\)"):
        read_csv(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2,3\n", "line 2 has more fields"),
        (b'a,b\n1,"2\n', "line 2 is no row"),
        (b'a,b\n1,"2"3\n', "line 2 is no row"),
        (b"a,b\n1,\xff\n", "byte 6 is not UTF-8"),
        (b"a,b\n1,2\n3,\0\n", "line 3 has a NUL"),
    ],
)
def test_what_is_no_csv_file_is_refused(file, data, words):
    with pytest.raises(InputError, match=words):
        read_csv(file(data))


@pytest.mark.parametrize(
    ("data", "words"), [(b"a,a\n1,2\n", "2 columns are called 'a'"), (b"b\n1\n", "'a' is missing")]
)
def test_a_column_stands_there_once(file, data, words):
    with pytest.raises(InputError, match=words):
        read_csv(file(data)).places("t.csv", ["a"])


def test_a_compressed_file_has_an_end(file, monkeypatch):
    assert read_csv(file(gzip.compress(b"a\n1\n"), "t.csv.gz")).rows == [["1"]]
    with pytest.raises(InputError, match="not a whole gzip file"):
        read_csv(file(gzip.compress(b"a\n1\n")[:-4], "t.csv.gz"))
    monkeypatch.setattr(csv_file, "LARGEST", 1 << 20)
    with pytest.raises(InputError, match="GiB of text"):
        read_csv(file(gzip.compress(b"a\n" * (1 << 20)), "t.csv.gz"))
