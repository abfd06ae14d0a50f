"""A checkpoint is data: a changed or a forged file is one line, and nothing in it is run."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.metadata import TensorStorageMetadata

from egocurate.errors import InputError
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.checkpoint_files import write_digests
from egocurate.training.run.checkpoint_folders import DIGESTS_FILE
from egocurate.training.run.checkpoints import Checkpoints
from egocurate.training.systems.initial_weights import load_start


class Command:
    """Whoever unpickles this makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.fixture
def made(tiny, tmp_path):
    """The checkpoint of a small model after a step, and what reads it as --resume and as start= do."""
    torch.manual_seed(0)
    model = nn.Linear(40, 30)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 40)).sum().backward()
    optimizer.step()
    with Ranks(0, 1, torch.device("cpu"), False).ends as ends:
        ranks = Ranks(0, 1, torch.device("cpu"), False, ends)
        checkpoints = Checkpoints(replace(tiny, out=str(tmp_path)), ranks, model, optimizer)
        checkpoints.save(1, {"before": {}})
        checkpoints.finish()
        folder = tmp_path / "checkpoints" / "step-00000001"
        yield folder, checkpoints.load, lambda folder: load_start(nn.Linear(40, 30), str(folder))


def refused(read, folder, words):
    with pytest.raises(InputError, match=words) as raised:
        read(folder)
    assert "\n" not in str(raised.value)
    assert str(folder) in str(raised.value)


def test_a_changed_byte_of_any_file_is_noticed(made):
    folder, resume, start = made
    files = sorted(path for path in folder.iterdir() if path.name != DIGESTS_FILE)
    assert {".metadata", "__0_0.distcp", "run.json"} == {path.name for path in files}
    for path in files:
        whole = path.read_bytes()
        changed = bytearray(whole)
        changed[len(whole) // 2] ^= 1
        for content in (bytes(changed), whole[:-1], b""):
            path.write_bytes(content)
            for read in (resume, start):
                refused(read, folder, f"{path.name} is not what was written")
        path.unlink()
        refused(start, folder, f"{path.name} is not what was written" if path.name != ".metadata" else "checkpoint")
        path.write_bytes(whole)
    assert resume(folder) == {"step": 1, "before": {}}


def test_a_checkpoint_lists_its_files(made):
    folder, resume, start = made
    listed = json.loads((folder / DIGESTS_FILE).read_text())
    for names in ({}, listed | {"../run.json": [1, "a"]}, listed | {"run.json": [1]}, {"run.json": listed["run.json"]}):
        (folder / DIGESTS_FILE).write_text(json.dumps(names))
        for read in (resume, start):
            refused(read, folder, "is not a whole checkpoint")
    (folder / DIGESTS_FILE).unlink()
    for read in (resume, start):
        refused(read, folder, "is not a whole checkpoint")


def test_a_description_runs_nothing(made, tmp_path):
    folder, resume, start = made
    victim = tmp_path / "victim"
    for forged in (Command(victim), {"state_dict_metadata": Command(victim)}, ["a list"], None):
        (folder / ".metadata").write_bytes(pickle.dumps(forged))
        write_digests(folder)
        for read in (resume, start):
            refused(read, folder, "is not a whole checkpoint")
    assert not victim.exists()


def test_a_value_runs_nothing(made, tmp_path):
    folder, resume, _ = made
    victim = tmp_path / "victim"
    state = read_state(folder)
    state["optimizer.param_groups.0.lr"] = Command(victim)
    for name in (".metadata", "__0_0.distcp"):
        (folder / name).unlink()
    dcp.save(state, checkpoint_id=folder, no_dist=True)
    write_digests(folder)
    refused(resume, folder, "is not a whole checkpoint")
    assert not victim.exists()
    dcp.load(state, checkpoint_id=folder, no_dist=True)
    assert victim.exists(), "torch itself runs what stands there"


def read_state(folder):
    described = dcp.FileSystemReader(folder).read_metadata().state_dict_metadata
    state = {
        name: torch.empty(entry.size) if isinstance(entry, TensorStorageMetadata) else 0
        for name, entry in described.items()
    }
    dcp.load(state, checkpoint_id=folder, no_dist=True)
    return state


def test_a_description_names_no_place_outside(made, tmp_path):
    folder, resume, start = made
    described = pickle.loads((folder / ".metadata").read_bytes())  # our own
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "secret").write_bytes((folder / "__0_0.distcp").read_bytes())

    def forge(change):
        forged = pickle.loads((folder / "described").read_bytes())
        change(forged)
        (folder / ".metadata").write_bytes(pickle.dumps(forged))
        write_digests(folder)
        for read in (resume, start):
            refused(read, folder, "is not a whole checkpoint")

    (folder / "described").write_bytes(pickle.dumps(described))
    first = next(iter(described.storage_data))
    for place in ("../../secret", str(tmp_path / "secret"), str(tmp_path / "fifo"), "/dev/zero", "absent"):
        forge(lambda forged, place=place: setattr(forged.storage_data[first], "relative_path", place))
    for name, value in (("offset", -1), ("offset", 1 << 40), ("length", 1 << 40), ("length", "all")):
        forge(lambda forged, name=name, value=value: setattr(forged.storage_data[first], name, value))
    huge = torch.Size([1 << 40])
    forge(lambda forged: setattr(forged.state_dict_metadata["model.weight"], "size", huge))
    forge(lambda forged: forged.state_dict_metadata.update({"model.weight": "no tensor"}))
