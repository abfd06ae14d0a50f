"""Ray's workers and the folder that a command was started in."""

import contextlib
from pathlib import Path

import ray

from egocurate.ray_session import ray_session, ray_task


def write_note(where: str) -> str:
    path = Path(where)
    path.write_text("there")
    return str(path.absolute())


def test_a_relative_path_means_in_a_task_what_it_means_here(tmp_path):
    (tmp_path / "started").mkdir()
    (tmp_path / "moved").mkdir()
    with ray_session():
        for folder in ("started", "moved", "started"):
            with contextlib.chdir(tmp_path / folder):
                written = ray.get(ray_task(write_note, num_cpus=1).remote("note.txt"))
            assert written == str(tmp_path / folder / "note.txt")
            assert Path(written).read_text() == "there"


def test_a_folder_that_the_worker_lacks_is_no_error_for_absolute_paths(tmp_path):
    (tmp_path / "gone").mkdir()
    with ray_session():
        with contextlib.chdir(tmp_path / "gone"):
            task = ray_task(write_note)
        (tmp_path / "gone").rmdir()
        assert ray.get(task.remote(str(tmp_path / "note.txt"))) == str(tmp_path / "note.txt")
