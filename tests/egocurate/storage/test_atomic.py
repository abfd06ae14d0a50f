import json

import pytest

from egocurate.storage.atomic import atomic_file, atomic_path, atomic_write, write_json, write_text


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


def test_what_writes_to_a_path_gets_one_that_ends_alike_and_leaves_nothing_if_it_fails(tmp_path):
    path = tmp_path / "a.mp4"
    with atomic_path(path) as temp:
        assert temp.suffix == ".mp4" and temp.parent == tmp_path
        temp.write_bytes(b"one")
        assert not path.exists()
    assert path.read_bytes() == b"one"
    with pytest.raises(RuntimeError), atomic_path(path) as temp:
        temp.write_bytes(b"two, half")
        raise RuntimeError
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_json_and_text_are_written_whole(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1]})
    assert json.loads((tmp_path / "a.json").read_bytes()) == {"é": [1]}
    write_text(tmp_path / "a.txt", "é\r\n")
    assert (tmp_path / "a.txt").read_bytes() == "é\r\n".encode()
    assert len(list(tmp_path.iterdir())) == 2


def test_no_link_is_written_through_and_no_name_can_be_guessed(tmp_path):
    victim = tmp_path / "thesis.txt"
    victim.write_text("mine")
    names = set()
    for _ in range(2):
        with atomic_path(tmp_path / "a.bin") as temp:
            names.add(temp.name)
            temp.write_bytes(b"one")
    assert len(names) == 2 and all(name.startswith(".part-") and name.endswith("-a.bin") for name in names)
    (tmp_path / "a.bin").unlink()
    (tmp_path / "a.bin").symlink_to(victim)
    write_text(tmp_path / "a.bin", "two")
    assert victim.read_text() == "mine" and not (tmp_path / "a.bin").is_symlink()
