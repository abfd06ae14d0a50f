"""`curate plan`: what it prints, and that a mistake is one line before anything heavy is loaded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from egocurate.commands.curate import main
from egocurate.commands.verbs.plan import read_mfu
from egocurate.errors import InputError

ROOT = Path(__file__).parents[3]
HEAVY_IS_LEFT_OUT = """
import sys
from egocurate.commands.curate import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"torch", "ray", "pandas", "pyarrow", "spacy", "transformers"} & set(sys.modules)
    assert not heavy, heavy
"""


def plan(capsys, words):
    """Run the verb in this process; returns (exit status, stdout)."""
    with pytest.raises(SystemExit) as left:
        main(["plan", *words.split()])
    return left.value.code or 0, capsys.readouterr().out


@pytest.mark.slow
def test_a_plan_as_a_table(capsys):
    status, printed = plan(capsys, "egovlp-tiny --gpus 2 --gpu 4090 --cores 4 --clips 6400")
    assert status == 0
    lines = printed.splitlines()
    assert lines[0] == "egovlp-tiny on 2 x RTX 4090, 24 GB, in bf16, 4 cores for each"
    about = {line[:20].strip(): line[20:] for line in lines[1:6]}
    assert about["a batch"] == "32 clips and as many negatives, 4 frames of 64 pixels"
    assert about["memory of a GPU"].endswith(" GiB of 22: fits")
    assert about["speed of a GPU"].endswith("clips/s at 30-40 % of its peak")
    assert about["the whole run"].endswith("1,200 steps, 6 x 6,400 clips")
    assert [line.split()[0] for line in lines[7:]] == ["profile", "train", "fast"]


@pytest.mark.slow
def test_a_plan_as_json_says_the_same(capsys):
    words = "videomae-tiny --gpus 1 --gpu a100-40 --mfu 35 --set batch_size=256 --json"
    status, printed = plan(capsys, words)
    found = json.loads(printed)
    assert status == 0
    assert found["gpu"]["name"] == "A100 SXM4" and found["gpu"]["memory_gib"] == 40
    assert found["fit"]["fits"] and found["fit"]["bytes"] < 40 * 2**30
    assert found["clips_per_sec"][0] == found["clips_per_sec"][1]
    assert found["clips_per_sec"][0] * found["fit"]["flops_per_clip"] == pytest.approx(0.35 * 312e12)
    assert set(found["feeds"]) == {"train", "fast"}
    assert found["feeds"]["train"]["disk_bytes"] == found["feeds"]["train"]["bytes_per_clip"] * found["clips"]


@pytest.mark.slow
def test_sizes_that_cannot_be_built_are_a_line(capsys):
    with pytest.raises(SystemExit) as left:
        main(["plan", "egovlp-tiny", "--gpus", "1", "--set", "data.size=60"])
    error = capsys.readouterr().err
    assert left.value.code == 2
    assert error.startswith("curate: data.size=60, but the model's image is 64") and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("egovlp --gpu h201", "--gpu h201: is not known; there are b200"),
        ("egovlp --gpus 7", "--gpus 7: cannot share batch_size=512 equally; take 4"),
        ("egovlp --mfu 0-40", "--mfu 0-40: give percent of the GPU's peak"),
        ("egovlp --clips 100", "--clips 100: fewer than batch_size=512"),
        ("egovlp --set batch_sise=4", "--set batch_sise: there is no 'batch_sise'"),
    ],
)
def test_a_mistake_is_a_line_before_anything_heavy_is_loaded(words, told):
    command = [sys.executable, "-c", HEAVY_IS_LEFT_OUT, "plan", *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith(f"curate: {told}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(("text", "shares"), [("35", (0.35, 0.35)), ("30-40", (0.3, 0.4)), ("12.5-100", (0.125, 1))])
def test_a_share_of_the_peak(text, shares):
    assert read_mfu(text) == pytest.approx(shares)


@pytest.mark.parametrize("text", ["", "-", "40-30", "0", "101", "30-40-50", "x", "nan", "-5"])
def test_a_share_that_cannot_be(text):
    with pytest.raises(InputError, match="give percent"):
        read_mfu(text)
