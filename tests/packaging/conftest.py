"""Installed copies of the package, each in an environment of its own that borrows the dependencies of this one."""

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment in which the package is installed: its Python, its commands, its site-packages."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def curate(self) -> Path:
        return self.folder / "bin" / "curate"

    @property
    def site_packages(self) -> Path:
        return next(self.folder.glob("lib/python3*/site-packages"))

    def run(self, *command, cwd):
        """Run a command of this environment as a user would, in the folder `cwd`; returns what it printed."""
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, capture_output=True, text=True, timeout=120, env={"PATH": "/usr/bin:/bin"}
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout


def build(target, out, *, root=ROOT):
    """Build a `wheel` or an `sdist` of the repository at `root` into `out` by its own backend; returns the file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    (built,) = out.iterdir()
    return built


def install(what, folder):
    """Install a wheel into a new environment, alone; the packages of the running one are at the end of its path."""
    venv.create(folder, with_pip=False, symlinks=True)
    installed = Installed(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(installed.python), "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--no-index", str(what)], check=True, timeout=120)
    # A folder that a .pth names is not searched for further .pth: this environment's own egocurate stays out.
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (installed.site_packages / "zz_borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n")
    return installed


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, as a release would have it."""
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def from_wheel(wheel, tmp_path_factory):
    """The wheel, installed."""
    return install(wheel, tmp_path_factory.mktemp("bare") / "env")


@pytest.fixture(scope="session")
def editable_wheel(tmp_path_factory):
    """What `pip install -e .` installs: a wheel with a line that puts a folder of the checkout on the path."""
    out = tmp_path_factory.mktemp("editable")
    hook = f"from hatchling.build import build_editable; build_editable({str(out)!r})"
    subprocess.run([sys.executable, "-c", hook], cwd=ROOT, check=True, timeout=120)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="session")
def from_checkout(editable_wheel, tmp_path_factory):
    """The checkout, installed as `pip install -e .` does."""
    return install(editable_wheel, tmp_path_factory.mktemp("editable_bare") / "env")
