"""The faces of the packages: every name resolves, type checkers see the same ones, nothing heavy comes along."""

import ast
import subprocess
import sys
from importlib import import_module

import pytest

from tests.test_house import MODULES

FACES = [name for name, path in MODULES.items() if "lazy_face import attach" in path.read_text()]
NAMES = [(package, name) for package in FACES for name in import_module(package).__all__]


def test_the_packages_that_people_import_from_have_a_face():
    rooms = ("curation", "shards", "loaders", "models", "training")
    assert set(FACES) == {"egocurate", *(f"egocurate.{room}" for room in rooms)}


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_every_name_of_a_face_is_there(package, name):
    module = import_module(package)
    assert getattr(module, name) is getattr(module, name)
    assert name in dir(module)


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_no_name_of_a_face_is_masked_by_a_module(package, name):
    assert f"{package}.{name}" not in MODULES


@pytest.mark.parametrize("package", FACES)
def test_type_checkers_and_python_find_the_same_names_in_the_same_modules(package):
    checked, attached = {}, {}
    for node in ast.walk(ast.parse(MODULES[package].read_text())):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for line in node.body:
                checked |= {alias.asname: line.module for alias in line.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "attach":
            attached = ast.literal_eval(node.args[1])
    assert checked == attached


def test_a_name_that_is_not_of_the_face_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'egocurate' has no attribute 'streem'"):
        import_module("egocurate").streem  # noqa: B018


def test_the_version_is_that_of_the_distribution():
    assert import_module("egocurate").__version__.split(".")[0].isdigit()


@pytest.mark.parametrize("package", FACES)
def test_importing_a_face_imports_only_the_standard_library(package):
    code = f"import sys; before = set(sys.modules); import {package}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} <= {
        "egocurate",
        "egocurate.lazy_face",
        package,
    }
    assert "importlib.metadata" not in loaded


def test_what_the_command_line_reads_its_choices_from_is_light():
    modules = ("curation.config", "curation.clips.filters", "curation.clips.window_rules", "curation.sources.open")
    code = f"import sys, {', '.join(f'egocurate.{name}' for name in modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pyarrow", "av", "upath"} & set(loaded)
