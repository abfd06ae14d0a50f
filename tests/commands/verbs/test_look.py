"""The verbs that show: what `curate show`, `curate windows` and `curate report` print and draw."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from egocurate.commands.curate import main
from egocurate.commands.report.reconstruction import LEAST_PX
from egocurate.commands.verbs.look import MOST_FRAMES
from egocurate.curation.clips.window_rules import WINDOWS
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.questions import read_questions
from egocurate.shards.read.index import ShardIndex
from egocurate.training.config.recipes import RECIPES
from tests.training.runs import run

ROOT = Path(__file__).parents[3]


def curate(capsys, *arguments):
    """Run a verb in this process; returns (exit status, stdout, stderr)."""
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    printed = capsys.readouterr()
    return left.value.code or 0, printed.out, printed.err


def test_show_draws_each_stored_frame_once_where_there_are_few(made, tmp_path, capsys):
    index = ShardIndex.open(made / "shards")
    number = int(np.argmin(index.frame_count))
    count = int(index.frame_count[number])
    assert 1 < count < MOST_FRAMES
    assert curate(capsys, "show", made, number, "--out", tmp_path / "clip.png")[0] == 0
    assert Image.open(tmp_path / "clip.png").width == count * 64  # the root's videos are 64 pixels wide


def test_show_finds_a_clip_of_a_question_by_its_key(made, capsys):
    questions = ShardIndex.open(made / "egomcq-shards")
    key = next(iter(read_questions(made / "egomcq.json").values())).options[0].key
    status, printed, _ = curate(capsys, "show", made, key)
    assert status == 0
    assert re.search(rf"^key +{key}$", printed, re.M) and questions.get(key) is not None


@pytest.mark.parametrize(
    ("key", "tells"), [("nothing", "no clip has the key 'nothing'; the search box"), ("99999", "numbers go from 0 to")]
)
def test_show_says_what_is_wrong_with_a_key(made, capsys, key, tells):
    status, _, error = curate(capsys, "show", made, key)
    assert status == 2 and error.count("\n") == 1
    assert tells in error


@pytest.mark.parametrize(
    "words", ["show {wrong} 0", "verify {wrong}", "report {wrong}", "report {made} --beside {wrong}"]
)
def test_a_wrong_folder_is_told_before_anything_heavy_is_loaded(made, tmp_path, words):
    code = """
import sys
from egocurate.commands.curate import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"torch", "ray", "pandas", "pyarrow", "numpy", "spacy", "av", "PIL"} & set(sys.modules)
    assert not heavy, heavy
"""
    arguments = words.format(wrong=tmp_path, made=made).split()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"curate: {tmp_path}") and done.stderr.count("\n") == 1


def test_report_writes_one_page_or_a_comparison(made, capsys):
    status, printed, _ = curate(capsys, "report", made)
    assert (status, printed) == (0, f"{made / 'report.html'}\n")
    for other in (("--beside", made), (made,)):
        status, printed, _ = curate(capsys, "report", made, *other)
        assert (status, printed) == (0, f"{made / 'report-beside-O.html'}\n")
        (made / "report-beside-O.html").unlink()


def test_windows_explains_its_strategies_and_columns_and_advises(tiny_root, capsys):
    status, printed, _ = curate(capsys, "windows", "--ego4d-root", tiny_root)
    assert status == 0
    table, strategies, columns, advice = printed.strip().split("\n\n")
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(WINDOWS)
    assert [line.split()[0] for line in strategies.splitlines()[1:]] == list(WINDOWS)
    assert [line.split()[0] for line in columns.splitlines()[1:]] == table.split("\n")[0].split()[1:]
    assert all(len(line.split()) > 3 for part in (strategies, columns) for line in part.splitlines()[1:])
    assert advice.startswith("Which to take\n")


def test_windows_as_json_is_nothing_but_json(tiny_root, capsys):
    status, printed, _ = curate(capsys, "windows", "--ego4d-root", tiny_root, "--json")
    assert status == 0
    assert [row["strategy"] for row in json.loads(printed)] == list(WINDOWS)


def test_the_advice_has_the_figures_that_were_measured():
    from egocurate.curation.clips.compare_windows import ADVICE

    measured = json.loads((ROOT / "benchmarks" / "results" / "windows.json").read_text())["figures"]
    of = {one["what"]: one["value"] for one in measured}
    fitted_on = "EPIC_100_uda_source_train.csv.gz"
    crossed = of[f"adaptive, {fitted_on} (fitted on it, 5-fold cross-validation by videos)"]
    others = [of[f"{name}, {fitted_on} (adaptive was fitted on it)"] for name in ("egoclip", "midpoints")]
    assert re.findall(r"0\.\d+", " ".join(ADVICE)) == [f"{value:.3f}" for value in (crossed, *others)]


def test_show_draws_where_a_run_looks(made, tmp_path, capsys):
    video = VideoConfig(image=32, patch=16, width=16, depth=1, heads=2)
    text = TextConfig(vocab=300, width=16, depth=1, heads=2, dropout=0.0)
    config = RECIPES["egovlp-tiny"]()
    config = replace(
        config,
        model=replace(config.model, video=video, text=text, projection=16),
        data=replace(config.data, size=32, workers=0),
        shards=(str(made / "shards"),),
        out=str(tmp_path / "run"),
        batch_size=4,
        max_steps=1,
        device="cpu",
    )
    run(config)
    picture = tmp_path / "looks.png"
    words = ("show", made, "0", "--run", tmp_path / "run", "--out", picture)
    assert curate(capsys, *words, "--attention")[0] == 0
    assert Image.open(picture).width == 4 * LEAST_PX
    status, _, error = curate(capsys, *words)
    assert status == 2 and "only one of videomae fills in" in error
    status, _, error = curate(capsys, "show", made, "0", "--attention")
    assert status == 2 and "name its run" in error
