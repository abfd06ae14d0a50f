"""Ours against the authors' own code, where their trees are at hand; and what is said where they are not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import parity
from benchmarks.parity import ours
from benchmarks.parity.__main__ import COMPARISONS
from benchmarks.parity.avion import TREE as AVION
from benchmarks.parity.dual_encoders import EGOVLP, FROZEN
from benchmarks.parity.egotaskqa import EGOTASKQA
from benchmarks.parity.egovlpv2 import TREE as EGOVLPV2
from benchmarks.parity.inputs import clips
from benchmarks.parity.lavila import TREE as LAVILA
from benchmarks.parity.localization import NLQ as EPISODIC_MEMORY
from benchmarks.parity.rows import Row, largest
from benchmarks.parity.summaries import TREE as SUMMARIES
from benchmarks.parity.trees import Absent, Tree, opened
from benchmarks.parity.videomae import TREE as VIDEOMAE
from benchmarks.parity.videoprism import TREE as VIDEOPRISM
from egocurate.models.tokenizer import train_tokenizer
from tests.models.frozen.tiny_releases import lavila

ROOT = Path(parity.__file__).parents[2]
TREES = {
    "metrics": EGOVLP,
    "egovlp": EGOVLP,
    "frozen-in-time": FROZEN,
    "egovlpv2": EGOVLPV2,
    "lavila": LAVILA,
    "lavila-distilbert": LAVILA,
    "avion": AVION,
    "localization": EPISODIC_MEMORY,
    "summaries": SUMMARIES,
    "videomae": VIDEOMAE,
    "videoprism": VIDEOPRISM,
    "egotaskqa": EGOTASKQA,
}


def compare(name, out, **variables):
    others = {key: value for key, value in os.environ.items() if not key.endswith("_TREE")}
    command = [sys.executable, "-m", "benchmarks.parity", "--one", name, str(out)]
    return subprocess.run(command, cwd=ROOT, env=others | variables, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", COMPARISONS)
def test_ours_is_what_the_authors_code_gives(name, tmp_path):
    variable = TREES[name].variable
    if variable not in os.environ:
        pytest.skip(f"{variable} is not set: name a checkout of github.com/{TREES[name].repository} to compare with it")
    said = compare(name, tmp_path / "rows.json", **{variable: os.environ[variable]})
    rows = [Row(**row) for row in json.loads((tmp_path / "rows.json").read_text())]
    assert rows, said
    assert all(row.holds for row in rows), said


@pytest.mark.slow
def test_a_comparison_without_its_tree_is_left_out_in_one_line(tmp_path):
    said = compare("egovlp", tmp_path / "rows.json")
    assert said == "egovlp is left out: EGOVLP_TREE is not set: name a checkout of github.com/showlab/EgoVLP\n"
    assert json.loads((tmp_path / "rows.json").read_text()) == []


def test_a_tree_is_read_where_it_is_and_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "inner").mkdir()
    (tmp_path / "COMMIT").write_text("0123456789abcdef\n")
    (tmp_path / "inner" / "their_code.py").write_text("import no_such_package.part\nfrom no_such_package import Name\n")
    monkeypatch.setenv("SOME_TREE", str(tmp_path))
    tree = Tree("SOME_TREE", "owner/name", "inner")
    assert tree.title == "owner/name@0123456"
    before = sys.path.copy(), sys.meta_path.copy(), Path.cwd()
    with pytest.raises(Absent, match="owner/name needs no_such_package: pip install it"), opened(tree):
        import their_code
    with opened(tree, unused=("no_such_package",)):
        import their_code
    assert isinstance(their_code.Name, type)
    assert (sys.path, sys.meta_path, Path.cwd()) == before
    with pytest.raises(Absent, match="has no folder elsewhere of"):
        _ = Tree("SOME_TREE", "owner/name", "elsewhere").folder


def test_our_side_is_the_model_of_a_file_of_weights(tmp_path):
    torch.save({"state_dict": lavila()}, tmp_path / "released.pth")
    train_tokenizer(["opens the door"] * 3, 64).save_pretrained(tmp_path / "tokenizer")
    model = ours.load(tmp_path / "released.pth", f"tokenizer={tmp_path / 'tokenizer'}", "data.frames=6")
    assert model.embed_frames(clips(6, size=32)).shape == (2, 24)
    assert model.embed_text(["opens the door"]).shape == (1, 24)


def test_what_cannot_fail_is_no_comparison():
    assert largest(np.array([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 2.0], [3.0, 4.5]])) == 0.5
    with pytest.raises(ValueError, match="all rows are alike"):
        largest(torch.ones(3, 2), torch.ones(3, 2))
    with pytest.raises(ValueError, match="cannot be compared"):
        largest(torch.zeros(2, 1), torch.zeros(2, 2))
    with pytest.raises(ValueError, match="cannot be compared"):
        largest(torch.tensor([[float("nan")]]), torch.zeros(1, 1))
    assert Row("a", "b", 4, 9e-6).holds and not Row("a", "b", 4, 2e-5).holds
