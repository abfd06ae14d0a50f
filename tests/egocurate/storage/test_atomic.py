import pytest

from egocurate.storage.atomic import atomic_file, atomic_write


def test_a_whole_file_or_none(tmp_path):
    path = tmp_path / "a.bin"
    atomic_write(path, lambda file: file.write(b"one"))
    assert path.read_bytes() == b"one"

    def fail(file):
        file.write(b"two, half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        atomic_write(path, fail)
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_has_the_final_name_before_the_end(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_file(path) as file:
        file.write(b"x")
        assert not path.exists()
    assert path.exists()
