"""A wheel holds `egocurate` and nothing else, and leaves the names of a user's own folder alone."""

import hashlib
import subprocess
import tarfile
import zipfile
from pathlib import PurePosixPath

import pytest

from tests.packaging.conftest import ROOT, build

ROOMS = ("commands", "curation", "loaders", "models", "shards", "training")
DIST_INFO = "egocurate-0.1.0.dist-info"


def tracked():
    """The files of the package as git has them, by their place in the package."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [PurePosixPath(line) for line in listed.splitlines()]
    links = {f"egocurate/{room}" for room in ROOMS} | {"egocurate/train.py"}
    own = {str(path) for path in paths if path.parts[0] == "egocurate"} - links
    return own | {f"egocurate/{path}" for path in paths if path.parts[0] in (*ROOMS, "train.py")}


def names(archive):
    return set(zipfile.ZipFile(archive).namelist())


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    assert {name.split("/")[0] for name in names(wheel)} == {"egocurate", DIST_INFO}


def test_the_wheel_lacks_no_file_of_the_package(wheel):
    held = {name for name in names(wheel) if name.startswith("egocurate/")}
    assert held == tracked()
    assert {
        "egocurate/py.typed",
        "egocurate/train.py",
        "egocurate/curation/data/wordnet.zip",
        "egocurate/curation/data/verb_durations.json",
        "egocurate/commands/report/templates/report.html.j2",
    } <= held


def test_the_wheel_carries_the_licenses_of_what_it_ships(wheel):
    for name in ("LICENSE", "NOTICE", "egocurate/curation/data/wordnet-license.txt"):
        assert f"{DIST_INFO}/licenses/{name}" in names(wheel)
    metadata = zipfile.ZipFile(wheel).read(f"{DIST_INFO}/METADATA").decode()
    assert "License-Expression: Apache-2.0\n" in metadata


def test_the_source_archive_builds_the_same_wheel(wheel, tmp_path):
    archive = build("sdist", tmp_path / "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    again = build("wheel", tmp_path / "wheel", root=tmp_path / archive.name.removesuffix(".tar.gz"))
    digest = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (wheel, again)]
    assert digest[0] == digest[1]


@pytest.mark.parametrize("heavy", ["torch", "transformers", "tensorboard", "matplotlib", "decord", "webdataset"])
def test_curating_asks_for_no_package_of_training(wheel, heavy):
    metadata = zipfile.ZipFile(wheel).read(f"{DIST_INFO}/METADATA").decode()
    asked = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert not [line for line in asked if heavy in line]


# What a user's own project may well have: each of these names was once a top-level name of ours, or nearly.
OWN = {
    "models/__init__.py": "",
    "models/net.py": "NAME = 'net'",
    "utils/__init__.py": "NAME = 'utils'",
    "loaders.py": "NAME = 'loaders'",
    "shards.py": "NAME = 'shards'",
    "train.py": "NAME = 'train'",
    "commands.py": "NAME = 'commands'",
}
OWN_MAIN = """
from pathlib import Path
import models.net, utils, loaders, shards, train, commands
here = Path(__file__).parent
for module in (models.net, utils, loaders, shards, train, commands):
    assert Path(module.__file__).is_relative_to(here), module.__file__
    assert module.NAME == module.__name__.rpartition(".")[2]
import egocurate, egocurate.models.losses, egocurate.shards.read.index, egocurate.curation.config, egocurate.loaders
import egocurate.train
import sys
ours = [m for n, m in sys.modules.items() if n.partition(".")[0] == "egocurate" and getattr(m, "__file__", None)]
for module in ours:
    assert not Path(module.__file__).is_relative_to(here), module.__file__
print(Path(egocurate.__file__).parent)
"""


@pytest.fixture
def own_project(tmp_path):
    """A user's folder with modules of names that are also names of rooms."""
    for name, content in {**OWN, "main.py": OWN_MAIN}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.mark.slow
def test_a_folder_with_modules_of_the_same_names_keeps_them(own_project, from_wheel):
    printed = from_wheel.run(from_wheel.python, "main.py", cwd=own_project)
    assert printed.strip() == str(from_wheel.site_packages / "egocurate")


def test_the_command_starts_in_such_a_folder(own_project, from_wheel):
    for command in ([from_wheel.curate], [from_wheel.python, "-m", "egocurate"]):
        assert "egoclip" in from_wheel.run(*command, "--help", cwd=own_project)


def test_training_starts_in_such_a_folder(own_project, from_wheel):
    for command in ([from_wheel.curate, "train"], [from_wheel.python, "-m", "egocurate.train"]):
        assert "--shards" in from_wheel.run(*command, "--help", cwd=own_project)


def test_an_editable_install_puts_nothing_but_the_package_on_the_path(editable_wheel):
    with zipfile.ZipFile(editable_wheel) as archive:
        lines = [line for name in archive.namelist() if name.endswith(".pth") for line in archive.open(name)]
        assert not [name for name in archive.namelist() if not name.endswith(".pth") and DIST_INFO not in name]
    (folder,) = [line.decode().strip() for line in lines]
    assert [path.name for path in (ROOT / folder).iterdir()] == ["egocurate"]
    assert (ROOT / folder / "egocurate").samefile(ROOT / "egocurate")


@pytest.mark.slow
def test_a_checkout_works_in_a_folder_with_such_names_too(own_project, from_checkout):
    printed = from_checkout.run(from_checkout.python, "main.py", cwd=own_project)
    assert printed.strip() == str(ROOT / ".editable" / "egocurate")
