"""Weights as releases write them: the tensors are read, and nothing beside them is run."""

import os
import subprocess
import sys

import pytest
import torch

from egocurate.models.weights import read_weights

# What releases store beside their weights: EgoVLP and EgoVLPv2 the parser of their config, VideoMAE its arguments.
RELEASE = """
import collections, logging, pathlib

class ConfigParser:
    def __init__(self):
        self._config = collections.OrderedDict(arch={"type": "FrozenInTime"}, trainer={"epochs": 10})
        self.resume, self._save_dir = None, pathlib.Path("/results/models")
        self._log = logging.getLogger("train")
        self.log_levels = {0: logging.WARNING}

class Command:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os
        return os.system, (f"touch {self.path}",)

class Call(Command):
    def __reduce__(self):
        return eval, (f"open({self.path!r}, 'w')",)

class Settings(dict):
    pass
"""
WRITE = """
import argparse, sys
import numpy as np
import torch
import parse_config

folder, weight = sys.argv[1], torch.arange(6.0).reshape(2, 3)
nested = {"weight": weight, "bias": torch.nn.Parameter(torch.ones(2))}
beside = {
    "egovlp": {"config": parse_config.ConfigParser(), "monitor_best": np.float64(0.5), "optimizer": {"state": {}}},
    "videomae": {"args": argparse.Namespace(model="vit", lr=np.float64(1e-3)), "scaler": {}, "epoch": 800},
    "arrays": {"mean": np.ones(3), "kind": np.dtype("f4"), "device": torch.device("cpu"), "places": {1, 2}},
    "command": {"config": parse_config.Command(f"{folder}/victim")},
    "call": {"config": parse_config.Call(f"{folder}/victim")},
    "settings": {"config": parse_config.Settings(a=1)},
}
for name, objects in beside.items():
    torch.save({"model" if name == "videomae" else "state_dict": nested, **objects}, f"{folder}/{name}.pth")
torch.save(nested, f"{folder}/old.pth", _use_new_zipfile_serialization=False)
"""


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Files written where the classes of their objects are, which here they are not."""
    folder, code = tmp_path_factory.mktemp("releases"), tmp_path_factory.mktemp("code")
    (code / "parse_config.py").write_text(RELEASE)
    env = os.environ | {"PYTHONPATH": str(code)}
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], env=env, check=True)
    return folder


@pytest.mark.parametrize("name", ["egovlp", "videomae", "arrays", "call", "old"])
def test_the_tensors_of_a_release_are_read_without_its_code(releases, name):
    weights = read_weights(str(releases / f"{name}.pth"))
    assert weights.keys() == {"weight", "bias"}
    assert weights["weight"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert not (releases / "victim").exists()


@pytest.mark.parametrize("name", ["command", "settings"])
def test_what_cannot_be_read_without_running_it_is_one_line(releases, name):
    with pytest.raises(ValueError, match="cannot be read without running its code") as raised:
        read_weights(str(releases / f"{name}.pth"))
    assert "\n" not in str(raised.value)
    assert not (releases / "victim").exists()


def test_the_commands_do_run_where_nothing_stops_them(releases):
    torch.load(releases / "command.pth", weights_only=False)
    assert (releases / "victim").exists()
    (releases / "victim").unlink()
