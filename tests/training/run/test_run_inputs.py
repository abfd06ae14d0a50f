"""What a run is given counts by what it holds: a moved file is the same, an edited one is another."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from egocurate.errors import InputError
from egocurate.models.tokenizer import train_tokenizer
from egocurate.storage.fingerprint import folder_fingerprint
from egocurate.train import train
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from tests.training.runs import STEPS, run


@pytest.fixture(scope="module")
def given(tiny, data, tmp_path_factory):
    """A run of two steps that began with a tokenizer and with weights of an earlier run, and had questions."""
    folder = tmp_path_factory.mktemp("given")
    train_tokenizer(["moves cup"], 128).save_pretrained(folder / "tokenizer")
    shutil.copy(data / "egomcq.json", folder / "egomcq.json")
    before = replace(tiny, mcq_json="", tokenizer=str(folder / "tokenizer"), out=str(folder / "before"), max_steps=2)
    run(before)
    config = replace(before, mcq_json=str(folder / "egomcq.json"), start=str(folder / "before"))
    config = replace(config, out=str(folder / "run"))
    run(config)
    return config


@pytest.fixture
def copied(given, tmp_path):
    """The same run with all that it was given, in another place."""
    folder = shutil.copytree(Path(given.out).parent, tmp_path / "moved")
    names = ("tokenizer", "start", "mcq_json", "out")
    return replace(given, **{name: str(folder / Path(getattr(given, name)).name) for name in names})


def said_by(config):
    said = []
    train(config, resume=True, report=lambda *_: None, say=said.append)
    return said


def test_what_was_moved_is_the_same(copied):
    assert said_by(copied) == ["finished: step 2 of 2, nothing to do"]


def test_other_weights_are_refused(copied):
    weights = next(Path(copied.start).glob("checkpoints/step-*/*.distcp"))
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(InputError, match="other inputs: start changed") as raised:
        said_by(copied)
    assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match="start changed, it is not given now"):
        said_by(replace(copied, start=""))


def test_weights_that_are_gone_are_not_missed(given, tmp_path):
    shutil.copytree(given.out, tmp_path / "run")
    record = tmp_path / "run" / "recipe.json"
    record.write_text(record.read_text().replace(given.start, "/gone/run"))
    gone = replace(given, out=str(tmp_path / "run"), start="/gone/run")
    assert said_by(gone) == ["finished: step 2 of 2, nothing to do"]


def test_another_tokenizer_is_refused_by_training_and_by_use(copied):
    train_tokenizer(["moves plate"], 128).save_pretrained(copied.tokenizer)
    with pytest.raises(InputError, match="tokenizer changed"):
        said_by(copied)
    config = replace(read_run(Path(copied.out), []), tokenizer=copied.tokenizer)
    with pytest.raises(InputError, match=r"another tokenizer than .* was trained with"):
        restore(config, Ranks(0, 1, torch.device("cpu"), False))


def test_other_questions_are_noticed(copied):
    questions = json.loads(Path(copied.mcq_json).read_text())
    questions.pop("7")
    Path(copied.mcq_json).write_text(json.dumps(questions))
    (Path(copied.out) / "result.json").unlink()
    with pytest.raises(InputError, match="max_steps"):
        said_by(replace(copied, max_steps=STEPS))
    assert any("it is tested on other data" in line for line in said_by(copied))


def test_a_run_of_an_earlier_version_goes_on_and_says_what_it_cannot_know(copied):
    (Path(copied.out) / "inputs.json").unlink()
    (Path(copied.out) / "result.json").unlink()
    with pytest.raises(InputError, match="tokenizer"):  # all that is known are the paths
        said_by(copied)
    path = Path(copied.out) / "recipe.json"
    paths = {name: getattr(copied, name) for name in ("tokenizer", "start")}
    path.write_text(json.dumps(json.loads(path.read_text()) | paths))
    assert any("did not note what it was given: start, tokenizer" in line for line in said_by(copied))


def test_a_digest_of_a_folder_is_of_names_and_contents(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    assert folder_fingerprint(tmp_path / "a") == folder_fingerprint(tmp_path / "b")
    (tmp_path / "b" / "file").write_text("Content")
    assert folder_fingerprint(tmp_path / "a") != folder_fingerprint(tmp_path / "b")
    (tmp_path / "b" / "file").write_text("content")
    (tmp_path / "b" / "file").rename(tmp_path / "b" / "other")
    assert folder_fingerprint(tmp_path / "a") != folder_fingerprint(tmp_path / "b")
