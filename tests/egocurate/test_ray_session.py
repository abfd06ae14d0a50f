"""Ray's workers and the folder that a command was started in."""

import contextlib
import ipaddress
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import ray

from egocurate.descendants import descendants
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


def listening(processes):
    """Return the addresses at which processes wait for TCP connections."""
    inodes = set()
    for process in processes:
        with contextlib.suppress(OSError):
            links = [str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()]
            inodes |= {link.removeprefix("socket:[").rstrip("]") for link in links if link.startswith("socket:")}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {address(row[1].partition(":")[0]) for row in rows if row[3] == "0A" and row[9] in inodes}


def address(text):
    words = struct.pack(f"={len(text) // 8}I", *(int(text[at : at + 8], 16) for at in range(0, len(text), 8)))
    found = ipaddress.ip_address(words)
    return getattr(found, "ipv4_mapped", None) or found


STRANGER = """
import sys, ray
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
print("in")
"""


def look_at_a_session():
    """Run in a process of its own, in which no test has left a session."""
    with ray_session() as dashboard:
        assert dashboard is None
        assert ray.get(ray_task(os.getenv).remote("RAY_AUTH_MODE")) == "token"
        found = listening({os.getpid(), *descendants([os.getpid()])})
        assert found and all(one.is_loopback for one in found)
        gcs = ray.get_runtime_context().gcs_address
        stranger = os.environ | {"RAY_AUTH_TOKEN": "0" * 64}
        came = subprocess.run(
            [sys.executable, "-c", STRANGER, gcs], env=stranger, capture_output=True, text=True, timeout=120
        )
        assert came.returncode and "InvalidAuthToken" in came.stderr and "in" not in came.stdout.split()
    assert os.environ["RAY_AUTH_MODE"] == "disabled" and "RAY_AUTH_TOKEN" not in os.environ
    assert not (Path.home() / ".ray" / "auth_token").exists()  # as Ray would write it, for all to read


@pytest.mark.slow
def test_a_session_of_this_machine_is_for_this_process_alone(tmp_path):
    looking = "from tests.egocurate.test_ray_session import look_at_a_session; look_at_a_session()"
    env = os.environ | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", looking], env=env, cwd=root, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-2000:]
