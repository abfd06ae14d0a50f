"""The command line in this process, with Ray up: tables of the tiny root take a fraction of a second each."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from egocurate.commands.curate import main


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def summary(self) -> dict:
        return json.loads(self.out)


@pytest.fixture(scope="module")
def ray(ray_up):
    """Ray, for the tests of a module."""


@pytest.fixture
def run(ray, capsys):
    """Run `curate ARGS...` in this process."""

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(one) for one in arguments])
        return Done(left.value.code or 0, *capsys.readouterr())

    return call


@pytest.fixture
def root(tiny_root, tmp_path):
    """A root of one's own to change: annotations copied, videos linked."""

    def copy(source, target):
        return shutil.copy(source, target) if Path(source).suffix != ".mp4" else Path(target).symlink_to(source)

    return shutil.copytree(tiny_root, tmp_path / "root", copy_function=copy)
