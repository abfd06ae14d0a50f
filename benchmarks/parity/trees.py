"""Trees of authors' code: which variable names one, of which commit it is, and how it is imported from there."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class Absent(Exception):  # noqa: N818 (reads as what it is)
    """A tree or a package that a comparison needs is not there; `str()` is one line."""


@dataclass(frozen=True)
class Tree:
    """A repository of authors, `inner` the folder in it that their modules are imported from."""

    variable: str
    repository: str
    inner: str = ""

    @property
    def folder(self) -> Path:
        """The folder to import from; raises Absent if the variable does not name a tree."""
        where = os.environ.get(self.variable)
        if not where:
            raise Absent(f"{self.variable} is not set: name a checkout of github.com/{self.repository}")
        folder = Path(where).resolve() / self.inner
        if not folder.is_dir():
            raise Absent(f"{self.variable}={where}: has no folder {self.inner or '.'} of github.com/{self.repository}")
        return folder

    @property
    def title(self) -> str:
        """The repository and the commit: of a git checkout its own, of an exported tree that in its file COMMIT."""
        root = Path(os.environ[self.variable])
        if (root / ".git").exists():
            asked = ["git", "-C", str(root), "rev-parse", "HEAD"]
            commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        else:
            commit = (root / "COMMIT").read_text() if (root / "COMMIT").is_file() else "unknown"
        return f"{self.repository}@{commit.strip()[:7]}"


class StandIn(types.ModuleType):
    """A module that has every name, for imports that the compared code never uses."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class _Unused(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds stand-ins for packages of these names, and all modules in them, where they are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        known = name.partition(".")[0] in self._names
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if known else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


@contextmanager
def opened(tree: Tree, unused: Sequence[str] = ()) -> Iterator[Path]:
    """Let modules be imported from a tree, in whose folder the process then is; `unused` names need no package.

    A process opens one tree: others have modules of the same names. Raises Absent.
    """
    folder, before = tree.folder, Path.cwd()
    stand_ins = _Unused(unused)
    sys.meta_path.append(stand_ins)
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield folder
    except ModuleNotFoundError as error:
        raise Absent(f"{tree.repository} needs {error.name}: pip install it beside this project") from error
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        sys.meta_path.remove(stand_ins)
