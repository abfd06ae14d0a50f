"""Curating, cutting, checking and showing shards works where torch is not installed."""

import subprocess
import sys

import pytest

from egocurate.shards.write.write_shards import write_shards
from tests.test_house import MODULES, room_of

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None\n"
ROOMS = ("shards", "curation")


@pytest.fixture(scope="module")
def folder(small_videos, make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("without torch"))
    write_shards(job)
    return job.out


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", WITHOUT_TORCH + code, *arguments], capture_output=True, text=True)


def test_every_module_of_bytes_and_text_is_imported():
    names = [name for name in MODULES if room_of(name) in ROOMS or name.startswith("egocurate.storage")]
    assert len(names) > 60
    done = run("import importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)", *names)
    assert done.returncode == 0, done.stderr


def test_an_index_is_read_and_a_clip_decoded(folder):
    code = """
import numpy as np
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import read_frames
index = ShardIndex.open(sys.argv[1])
frames = read_frames(index, 3, np.array([0, 2]))
print(index.row(3).key, *frames.shape)
"""
    done = run(code, str(folder))
    assert done.returncode == 0, done.stderr
    key, *shape = done.stdout.split()
    assert key.startswith("cook-narration_pass_1-") and len(shape) == 4 and shape[0] == "2" and shape[-1] == "3"


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["show", "FOLDER", "0", "--out", "clip.png"], ["verify", "FOLDER"], ["doctor"]])
def test_verbs_that_look_work(folder, tmp_path, arguments):
    arguments = [{"FOLDER": str(folder), "clip.png": str(tmp_path / "clip.png")}.get(one, one) for one in arguments]
    done = run("from egocurate.commands.curate import main; main()", *arguments)
    assert "Traceback" not in done.stderr and done.returncode == 0, done.stderr
    assert ("--out" in arguments) == (tmp_path / "clip.png").exists()
