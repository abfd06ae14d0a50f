"""No module is loaded twice: in the command, in ranks, in Ray's tasks and in the workers of a DataLoader.

A file loaded under two names has two copies of its classes, and an `except InputError` that does not catch.
"""

import json
import os
import subprocess
import sys

import pytest

from tests.packaging.conftest import ROOT
from tests.training.runs import write_data

# `__main__`, and its alias for child processes, may be a file that is loaded by its own name as well, if it defines
# nothing under the first.
COPIES = """
import os, sys

def copies():
    root, doors, files = ROOT, ("__main__", "__mp_main__"), {}
    for name, module in list(sys.modules.items()):
        path = os.path.realpath(getattr(module, "__file__", None) or "/")
        if not path.startswith(root + "/") or "/site-packages/" in path:  # a virtual environment may be in the checkout
            continue
        if name not in doors or any(getattr(value, "__module__", "") in doors for value in vars(module).values()):
            files.setdefault(path, {})[id(module)] = name
    assert files or "egocurate" not in sys.modules
    return {path: sorted(names.values()) for path, names in files.items() if len(names) > 1}
""".replace("ROOT", repr(str(ROOT)))

# Read by every Python that starts with its folder on the path: leaves a file about the process when that ends.
AT_EXIT = """
import atexit, json, os, pathlib
from copies import copies

def tell():
    import sys
    ours = [name for name in sys.modules if name.startswith("egocurate")]
    if ours:
        path = pathlib.Path(__file__).parent / f"{os.getpid()}.json"
        path.write_text(json.dumps({"copies": copies(), "modules": ours, "argv": sys.argv}))

atexit.register(tell)
"""


@pytest.fixture
def watched(tmp_path):
    """Run Python with arguments; returns what each process that loaded the package tells when it ends."""
    folder = tmp_path / "watch"
    folder.mkdir()
    (folder / "copies.py").write_text(COPIES)
    (folder / "sitecustomize.py").write_text(AT_EXIT)

    def run(*arguments):
        path = os.pathsep.join([str(folder), str(ROOT)])
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=200,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(path.read_text()) for path in folder.glob("*.json")]

    return run


@pytest.mark.parametrize(
    "arguments", [["train.py"], ["-m", "egocurate"], ["-m", "egocurate.train"]], ids=lambda a: a[-1]
)
def test_a_command_loads_each_module_once(watched, arguments):
    (process,) = watched(*arguments, "--help")
    assert process["copies"] == {}


@pytest.mark.slow
def test_ranks_load_each_module_once(watched, tmp_path):
    write_data(tmp_path)
    train = ["train.py", "egovlp-tiny", "--shards", tmp_path / "shards", "--out", tmp_path / "run"]
    small = ["max_steps=1", "batch_size=4", "data.workers=1", "data.size=32", "model.video.image=32"]
    settings = [word for setting in small for word in ("--set", setting)]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2]
    ranks = [p for p in watched(*launch, *train, *settings) if "egocurate.training.systems" in p["modules"]]
    assert len(ranks) == 2
    assert [rank["copies"] for rank in ranks] == [{}, {}]


TASK = """
import json, ray
from copies import copies
from egocurate.ray_session import ray_session
from egocurate.shards.write.build_shard import build_shard

def task():
    import sys
    from egocurate.curation.text import tag_table
    return copies(), [build_shard.__module__, *(name for name in sys.modules if name.startswith("egocurate"))]

with ray_session(None):
    found, modules = ray.get(ray.remote(task).remote())
assert "egocurate.shards.write.build_shard" in modules and "egocurate.curation.text.tag_table" in modules
assert found == {} and copies() == {}, found
"""


@pytest.mark.slow
def test_a_task_of_ray_loads_each_module_once(watched, tmp_path):
    (tmp_path / "task.py").write_text(TASK)
    (driver, *_) = watched(tmp_path / "task.py")
    assert driver["copies"] == {}


WORKER = """
import sys
from torch.utils.data import DataLoader, Dataset
from copies import copies
from egocurate.loaders.clip_stream import Stream
from egocurate.shards.video import decode

class Told(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, _):
        import egocurate.loaders.videos.long_videos
        return copies(), [name for name in sys.modules if name.startswith("egocurate")]

(told,) = DataLoader(Told(), batch_size=None, num_workers=1, multiprocessing_context="fork")
found, modules = told
assert "egocurate.loaders.videos.long_videos" in modules and "egocurate.loaders.videos.long_videos" not in sys.modules
assert found == {}, found
"""


def test_a_worker_of_a_data_loader_loads_each_module_once(watched, tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    (main,) = watched(tmp_path / "worker.py")
    assert main["copies"] == {}
