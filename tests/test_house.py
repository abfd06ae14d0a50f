"""The plan of the house, read from its files: which room may import which, no circles, small folders, light doors."""

import ast
import collections
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "egocurate": set(),
    "curation": {"egocurate"},
    "shards": {"egocurate"},
    "models": {"egocurate"},
    "loaders": {"egocurate", "shards"},
    "training": {"egocurate", "loaders", "models"},
    "train": {"egocurate", "loaders", "models", "training", "commands"},
    "commands": {"egocurate", "curation", "shards", "models", "loaders", "training", "train"},
}
# Inside curation the text goes down this list; `config` and `synthetic` stand beside it.
CURATION = ["text", "lexicon", "sources", "clips", "egomcq"]
MOST_MODULES = 18


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, as `import` would call it."""
    found = {"egocurate.train": ROOT / "train.py"}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.is_symlink() or any(parent.is_symlink() for parent in path.parents):
                continue
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts if room == "egocurate" else ("egocurate", *parts)
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()


def imports(name: str, *, at_import: bool = False, as_program: bool = True) -> set[str]:
    """The modules of ours that a module imports; `at_import`: those only that its own import runs.

    `as_program`: also those that it imports where it is the program that was started, and so closes no circle.

    What a package's face names for type checkers alone is no import: it reaches Python as text (`lazy_face`).
    """
    tree = ast.parse(MODULES[name].read_text())
    if not as_program:
        tree.body = [node for node in tree.body if not _is_program(node)]
    skipped = _is_later if at_import else _is_for_type_checkers if MODULES[name].name == "__init__.py" else _nothing
    nodes = _walk(tree, skipped)
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= parts if parts <= MODULES.keys() else parts | {node.module}
    return {target for target in found if target in MODULES and target != name}


def _walk(tree: ast.AST, skipped: Callable[[ast.AST], bool]) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if not skipped(node):
            yield node
            yield from _walk(node, skipped)


def _nothing(node: ast.AST) -> bool:
    return False


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _is_later(node: ast.AST) -> bool:
    functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    return _is_program(node) or _is_for_type_checkers(node) or isinstance(node, functions)


def _is_program(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


def room_of(name: str) -> str:
    parts = name.split(".")
    if parts[-1] == "__main__":
        return "commands"  # a door to them
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else "egocurate"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_stands_on(room):
    wrong = [
        f"{name} imports {target}"
        for name in MODULES
        if room_of(name) == room
        for target in sorted(imports(name))
        if room_of(target) not in ROOMS[room] | {room}
    ]
    assert not wrong, "\n".join(wrong)


def test_all_imports_of_ours_go_by_the_one_name():
    wrong = []
    for path in [
        *MODULES.values(),
        *(p for d in ("tests", "benchmarks", "examples") for p in (ROOT / d).rglob("*.py")),
    ]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            wrong += [f"{path.relative_to(ROOT)}: {n}" for n in names if n.split(".")[0] in set(ROOMS) - {"egocurate"}]
    assert not wrong, "\n".join(wrong)


def test_curation_follows_the_path_of_the_data():
    wrong = []
    for name in MODULES:
        part = name.removeprefix("egocurate.curation.").split(".")[0]
        if room_of(name) == "curation" and part in CURATION:
            later = CURATION[CURATION.index(part) + 1 :]
            wrong += [f"{name} imports {t}" for t in imports(name) if t.split(".")[2:3] and t.split(".")[2] in later]
    assert not wrong, "\n".join(wrong)


def test_no_module_is_in_a_circle_of_imports():
    try:
        tuple(TopologicalSorter({name: imports(name, as_program=False) for name in MODULES}).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_no_folder_is_too_full():
    folders = collections.Counter(p.parent for p in MODULES.values() if p.name != "__init__.py" and p.parent != ROOT)
    assert {str(f.relative_to(ROOT)): n for f, n in folders.items() if n > MOST_MODULES} == {}
