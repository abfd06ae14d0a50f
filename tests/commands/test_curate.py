"""The command line itself: help that is light and complete, mistakes in one line, extras that are not installed."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from egocurate.commands.curate import app, main
from egocurate.commands.exit_status import explain
from egocurate.curation.config import DEFAULT_FILTERS, REQUIRED_FILTERS, WINDOWS
from egocurate.curation.sources.open import SOURCES
from egocurate.shards.export.chunk_layouts import LAYOUTS
from egocurate.shards.profiles import PROFILES
from egocurate.shards.shard_format import FORMAT
from egocurate.training.config.recipes import RECIPES

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "ray", "pandas", "numpy", "pyarrow", "spacy", "transformers", "av", "matplotlib", "fsspec")
VERBS = list(typer.main.get_command(app).commands)

MANIFEST = json.dumps(  # of a folder without clips
    {
        "format": FORMAT,
        "name": "egoclip",
        "profile": {"name": "train"},
        "plan": "0" * 64,
        "planned": {"clips per shard": "64"},
        "shards": [],
    }
    | dict.fromkeys(("num_verbs", "num_nouns", "samples", "failed", "bytes"), 0)
)


def run(code, *arguments, cwd=ROOT):
    env = {name: value for name, value in os.environ.items() if name not in ("RANK", "COLUMNS")}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=env | {"PYTHONPATH": str(ROOT)})


def command(*arguments):
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return left.value.code


def test_help_of_every_verb_loads_nothing_heavy():
    code = f"""
import sys
from egocurate.commands.curate import main
for verb in {VERBS!r} + [None]:
    try:
        main(["--help"] if verb is None else [verb, "--help"])
    except SystemExit as left:
        assert left.code == 0, verb
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, (verb, loaded)
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert {"train", "eval", "features", "egoclip"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(verb, capsys):
    assert command(verb, "--help") == 0
    assert f"curate {verb}" in capsys.readouterr().out.split("Options:")[0].partition("\n")[2]


@pytest.mark.parametrize(
    ("verb", "choices"),
    [
        ("egoclip", [*PROFILES, *WINDOWS, *SOURCES, *set(DEFAULT_FILTERS).difference(REQUIRED_FILTERS)]),
        ("egomcq", [*PROFILES, *WINDOWS, *SOURCES, "val", "all"]),
        ("export", [*LAYOUTS, *SOURCES, "chunks"]),
        ("train", RECIPES),
        ("eval", ["dual", "fused", "ensemble"]),
    ],
)
def test_help_lists_the_values_of_each_choice(verb, choices, capsys):
    command(verb, "--help")
    lists = "|".join(part.replace("<", "|").replace(">", "|") for part in capsys.readouterr().out.split())
    listed = set(lists.replace("[", "|").replace("]", "|").split("|"))
    assert set(choices) <= listed


def test_the_version(capsys):
    assert command("--version") == 0
    assert capsys.readouterr().out.startswith("egocurate 0.")


def test_without_a_verb_it_shows_its_help(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["curate"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    assert "curate demo" in capsys.readouterr().out


def test_completion_knows_verbs_and_choices():
    for words, wanted in [("curate e", "egoclip egomcq export eval"), ("curate train videomae", "videomae-tiny")]:
        env = {"_CURATE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        code = f"import os; os.environ |= {env!r}; from egocurate.commands.curate import main; main([])"
        done = run(code)
        assert set(wanted.split()) <= set(done.stdout.split()), done.stderr


def mistakes(tmp_path):
    folder, file = tmp_path / "folder", tmp_path / "file"
    shards, run = tmp_path / "shards", tmp_path / "run"
    for one in (folder, shards, run):
        one.mkdir()
    file.touch()
    (shards / "manifest.json").write_text(MANIFEST)
    (run / "recipe.json").write_text("{}")
    train = ("train", "egovlp-tiny", "--shards", shards)
    return [
        (("shar",), "No such command 'shar'. Did you mean 'shards'"),
        (("train", "egovlp", "--shards", folder), "Missing option '--out' (`curate train --help`"),
        (("train", "egovlpv3", "--shards", folder, "--out", "x"), "'egovlpv3' is not one of 'egovlp', 'egovlp-tiny'"),
        ((*train, "--out", "x", "--mcq-json", "a"), "--mcq-json needs --mcq-shards"),
        ((*train, "--out", "x", "--mcq-shards", "a"), "--mcq-shards needs --mcq-json"),
        ((*train, "--out", "x", "--shards", tmp_path / "no"), f"--shards {tmp_path / 'no'}: there is no such folder"),
        ((*train, "--out", file), "is a file"),
        ((*train, "--out", "x", "--set", "epochs"), "--set epochs: write key=value"),
        (
            (*train, "--out", "x", "--set", "optimizer.lrr=1"),
            "--set optimizer.lrr: there is no 'lrr'; there are kind, lr",
        ),
        ((*train, "--out", "x", "--set", "batch_size=many"), "--set batch_size=many: expected a whole number"),
        ((*train, "--out", "x", "--set", "data.frames=0"), "frames 0 and size 64 must be positive"),
        ((*train, "--out", "x", "--shards", folder), "is not a finished shard folder"),
        ((*train, "--out", run), "holds a run already: add --resume"),
        ((*train, "--out", "x", "--mcq-json", "a", "--mcq-shards", shards), "--mcq-json a: there is no such file"),
        (("eval", folder, "--charades", folder, "--charades-videos", folder), "holds no run (recipe.json"),
        (("features", folder, "--videos", folder, "--out", "x"), "holds no run (recipe.json"),
        (("eval", folder), "name a benchmark: --mcq-json, --swap-quiz, --epic-retrieval, --charades"),
        (("eval", folder, "--charades", "a"), "--charades needs --charades-videos"),
        (("eval", tmp_path / "no", "--charades", folder, "--charades-videos", folder), "no such folder"),
        (("features", folder, "--videos", tmp_path / "no", "--out", "x"), "neither a folder"),
        (("features", folder, "--videos", folder, "--out", "x", "--rate", 0), "--rate 0.0"),
        (("features", folder, "--videos", folder, "--out", file), "is a file"),
        (("egoclip", "--ego4d-root", folder, "--out", "x", "--alpha", "soon"), "--alpha soon: give seconds above 0"),
        (("egomcq", "--ego4d-root", folder, "--out", "x", "--lexicon", tmp_path / "no"), "there is no such folder"),
        (("export", "--like", "nobody", "--ego4d-root", folder, "--out", "x"), "'nobody' is not one of 'egovlp'"),
    ]


@pytest.mark.slow
def test_a_mistake_in_the_options_is_one_line_before_anything_heavy_is_loaded(tmp_path):
    code = """
import sys
from egocurate.commands.curate import main
try:
    main(sys.argv[1:])
finally:
    loaded = [name for name in ("torch", "transformers", "ray", "pandas", "spacy") if name in sys.modules]
    assert not loaded, loaded
"""
    for arguments, words in mistakes(tmp_path):
        done = run(code, *arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("curate: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("code", "is_file", "line", "status"),
    [
        (errno.EACCES, True, "Permission denied; let this user read it (chmod a+r), or run as its owner", 2),
        (errno.EACCES, False, "Permission denied; let this user read and write there, or name another --out", 3),
        (errno.EROFS, False, "Read-only file system; let this user read and write there, or name another --out", 3),
        (errno.ENOSPC, False, "No space left on device; free space or name another --out", 3),
    ],
)
def test_a_file_that_may_not_be_read_is_no_full_disk(tmp_path, code, is_file, line, status):
    path = tmp_path / "ego4d.json"
    if is_file:
        path.touch()
    assert explain(OSError(code, os.strerror(code), str(path))) == (f"{path}: {line}", status)


@pytest.mark.parametrize("door", [("-m", "egocurate.train"), (str(ROOT / "train.py"),)])
def test_train_py_is_the_same_command(door, tmp_path):
    def start(*arguments):
        command = [sys.executable, *door, *arguments]
        env = os.environ | {"PYTHONPATH": str(ROOT)} if door[0] == "-m" else os.environ
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)

    assert "Usage: curate train" in start("--help").stdout
    assert "Usage: curate features" in start("features", "--help").stdout
    done = start("eval", "nowhere", "--mcq-json", "a")
    assert (done.returncode, done.stderr) == (2, "curate: --mcq-json needs --mcq-shards\n")


@pytest.mark.slow
def test_train_py_is_loaded_once(tmp_path):
    code = """
import runpy, sys
try:
    runpy.run_path("train.py", run_name="__main__")
except SystemExit as left:
    assert left.code == 2
    print([name for name, module in sys.modules.items() if "train_demo" in vars(module)])
"""
    (tmp_path / "manifest.json").write_text(MANIFEST)  # a mistake that is found when it trains
    done = run(code, "egovlp-tiny", "--shards", tmp_path, "--out", tmp_path / "run")
    assert done.stdout == "['egocurate.train']\n", done.stderr


BLOCKED = """
import runpy, sys
for name in {blocked!r}:
    sys.modules[name] = None
sys.argv[0] = "curate"
runpy.run_module("egocurate", run_name="__main__")
"""


@pytest.mark.parametrize(
    ("blocked", "arguments", "line"),
    [
        ("torch", "train egovlp-tiny --shards . --out x", "train needs torch: pip install 'egocurate[train]'"),
        ("torch", "eval . --charades . --charades-videos .", "eval needs torch: pip install 'egocurate[train]'"),
        ("torch", "features . --videos . --out x", "features needs torch: pip install 'egocurate[train]'"),
        ("torch", "demo --out x", "demo needs torch: pip install 'egocurate[train]'"),
        ("s3fs", "shards --egoclip . --ego4d-root . --out s3://b/x", "pip install 'egocurate[s3]'"),
        ("gcsfs", "shards --egoclip . --ego4d-root . --out gs://b/x", "pip install 'egocurate[gcs]'"),
    ],
)
def test_a_verb_that_needs_an_extra_says_which_line_installs_it(blocked, arguments, line, tmp_path):
    done = run(BLOCKED.format(blocked=(blocked,)), *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("curate: ")
    assert done.stderr.endswith(f"{line}\n")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_settings_of_a_recipe_need_no_torch():
    done = run(BLOCKED.format(blocked=("torch",)), "train", "--settings", "videoprism-stage2")
    assert done.returncode == 0, done.stderr
    assert "optimizer.lr=0.0005" in done.stdout
    assert "model.decoder.width=512" in done.stdout


def test_show_needs_no_torch(tmp_path):
    done = run(BLOCKED.format(blocked=("torch",)), "show", tmp_path, "0", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr == f"curate: {tmp_path}: no shards there; give the folder that `curate shards` wrote\n"


@pytest.mark.slow
def test_doctor_works_without_what_training_needs(tmp_path):
    done = run(BLOCKED.format(blocked=("torch", "huggingface_hub")), "doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "absent  torch" in done.stdout
    assert "pip install 'egocurate[train]'" in done.stdout


def test_another_module_that_is_not_there_stays_a_fault_of_the_program(tmp_path):
    done = run(BLOCKED.format(blocked=("egocurate.training.config.settings",)), "train", "--settings", "egovlp")
    assert done.returncode == 1
    assert "ModuleNotFoundError" in done.stderr
