"""No page and no help lies about a command: each line is run on small data, or named here with the reason."""

import contextlib
import re
import shlex
import tomllib
from unittest import mock

import pytest
import typer
from torch.distributed.run import get_args_parser

import egocurate.commands.jobs.evaluate
from egocurate.commands.curate import app
from tests.docs.conftest import FIRST
from tests.docs.pages import ROOT, Snippet, command_lines, help_lines, inline_code

# How a command begins -> why no test runs it, and what has an eye on it instead.
NOT_RUN = {
    "curate eval --weights": "needs a release; tests/training/run/test_load_release.py runs it on a small one",
    "curate features --weights": "needs a release; tests/training/run/test_load_release.py runs it on a small one",
    "curate export-model --weights": "needs a release; tests/training/export/test_save_model.py runs it on a small one",
    "curate search --weights": "needs a release; tests/training/run/test_load_release.py runs it on a small one",
    "curate search demo/run --serve": "serves until it is stopped; tests/training/search/test_search.py stops it",
    "RAY_AUTH_MODE=token ray start": "needs a cluster; tests/shards/write/test_cluster.py starts one",
    "chmod 600 ~/.ray/auth_token": "is for the user who runs the tests to do",
    "scp": "needs a second machine",
    "sbatch": "needs Slurm; tests/training/test_slurm.py and tests/shards/write/test_slurm.py run the scripts",
    "export NCCL_DEBUG=INFO": "tells NCCL to say what it takes",
    "git clone": "needs a network",
    "energon prepare": "tests/shards/test_interchange.py runs it",
}
# Examples, and what starts them; tests/loaders/test_examples.py runs each.
EXAMPLE = re.compile(r"^(python|accelerate launch --num_processes 2) examples/(\w+\.py) ")

LINES = [*command_lines(), *help_lines()]
EVERY_TIME = ("README.md", "docs/howto/curate.md")  # other pages' commands run before a release


def verb_of(line):
    """Return the words after `curate` of a line that is one, by whatever name it is called; None for another."""
    for name in ("curate", "python train.py", "python -m egocurate.train"):
        if line.startswith(name + " "):
            words = line.removeprefix(name + " ")
            if name == "curate" or words.startswith(("eval ", "features ", "nlq ", "mq ", "qfvs ")):
                return words
            given_away = words.startswith("export ")
            return f"export-model {words.removeprefix('export ')}" if given_away else f"train {words}"
    return None


def torchrun_script(line):
    """Return what torchrun would start with which words, having its own options read by torchrun's parser."""
    given = get_args_parser().parse_args(shlex.split(line)[1:])
    assert given.training_script != "egocurate.train" or given.module, "-m is missing"
    return given.training_script, shlex.join(given.training_script_args)


def check_curate(words, world):
    """Run a verb; one that would meet a cluster runs on this machine, and a large benchmark is not computed.

    A plan is that of the small model: a large one's takes a minute.
    """
    words = re.sub(r"^plan (\S+)", r"plan \1-tiny", words.replace("--ray-address HEAD:6379", ""))
    reads_large_data = words.startswith("eval ") and ("--epic" in words or "--charades" in words)
    evaluate = egocurate.commands.jobs.evaluate
    with mock.patch.object(evaluate, "evaluate_run", lambda *_: True) if reads_large_data else mock.MagicMock():
        status = world.curate(words)
    assert status == 0


@pytest.mark.parametrize("line", [pytest.param(line.text, id=line.place) for line in LINES])
def test_a_command_of_the_pages_has_options_that_are_there(line):
    words = verb_of(line)
    if line.startswith("torchrun "):
        script, given = torchrun_script(line)
        words = verb_of(f"python train.py {given}") if script in ("train.py", "egocurate.train") else None
    if words:
        verb, *options = shlex.split(words.partition(" > ")[0])
        with contextlib.suppress(typer.Exit):  # of an option that prints something and ends there
            typer.main.get_command(app).commands[verb].make_context(verb, options)


def in_turn(line):
    marks = () if line.place.startswith(EVERY_TIME) else pytest.mark.slow
    return pytest.param(line.text, id=line.place, marks=marks)


@pytest.mark.parametrize("line", map(in_turn, LINES))
def test_a_command_of_the_pages_works(line, world):
    if line in FIRST or any(line.startswith(beginning) for beginning in NOT_RUN):
        return  # the world was made by those in FIRST
    if words := verb_of(line):
        check_curate(words, world)
    elif line.startswith("torchrun "):
        script, words = torchrun_script(line)
        if script in ("train.py", "egocurate.train"):
            check_curate(verb_of(f"python train.py {words}"), world)
        else:
            check_example(script.removeprefix("examples/"))
    elif found := EXAMPLE.match(line):
        check_example(found[2])
    else:
        check_tool(line)


def check_example(name):
    assert (ROOT / "examples" / name).is_file()
    assert name in (ROOT / "tests" / "loaders" / "test_examples.py").read_text()


def check_tool(line):
    """Check a line of make, pip or Python's -m, which is not run: that what it names is there."""
    if found := re.fullmatch(r"make ([\w-]+)", line):
        assert re.search(rf"^{found[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif found := re.fullmatch(r"pip install (?:'egocurate\[([\w,]+)\]'|egocurate)", line):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        assert set(filter(None, (found[1] or "").split(","))) <= extras.keys()
    elif found := re.fullmatch(r"python -m (benchmarks[\w.]*)(?: .*)?", line):
        path = ROOT / found[1].replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    elif found := re.fullmatch(r"python -m pytest (tests\S*)(?: .*)?", line):
        assert (ROOT / found[1]).exists()
    else:
        pytest.fail(f"{line}: no test knows this command; have it run, or name it in NOT_RUN with the reason")


def test_no_reason_is_left_over():
    unused = [beginning for beginning in NOT_RUN if not any(line.text.startswith(beginning) for line in LINES)]
    assert not unused


VERBS = {command.name or command.callback.__name__.replace("_", "-") for command in app.registered_commands}
TOOLS = ("make ", "pip install ", "python -m benchmarks", "python -m pytest ")
MENTIONED = [one for one in inline_code() if re.match(r"curate [a-z-]", one.text) or one.text.startswith(TOOLS)]


@pytest.mark.parametrize("piece", [pytest.param(one, id=one.place) for one in MENTIONED])
def test_a_command_within_a_sentence_exists(piece: Snippet, capsys, world):
    words = piece.text.split()
    if words[0] != "curate":
        check_tool(piece.text)
        return
    verbs = words[1].split("|") if len(words) > 1 else []
    for verb in verbs:
        if verb.startswith("-"):
            continue
        assert verb in VERBS
        world.curate(f"{verb} --help")
        known = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
        assert set(re.findall(r"--[\w-]+", piece.text)) <= known
