"""A model given away from a run and opened again; folders that are not what was given away, in one line each."""

import errno
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import VideoMAEForPreTraining

import egocurate
from egocurate.commands.curate import app, main
from egocurate.errors import InputError
from egocurate.models.videomae.model import VideoMAE
from egocurate.training.config.recipes import RECIPES
from egocurate.training.export import forms
from egocurate.training.export.saved_config import to_give_away
from egocurate.training.systems.initial_weights import load_complete, tokenizer_of
from tests.training.runs import run

torch.set_num_threads(1)
TEXTS = ["moves cup 3", "moves cup 8"]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A run of four steps."""
    folder = tmp_path_factory.mktemp("trained")
    run(replace(tiny, out=str(folder / "run"), max_steps=4))
    return folder / "run"


@pytest.fixture(scope="module")
def given(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("given") / "model"
    assert egocurate.save(trained, folder) == folder
    return folder


@pytest.fixture
def copy(given, tmp_path):
    return shutil.copytree(given, tmp_path / "copy")


def opened(source):
    return egocurate.load_model(source, device="cpu")


def one_line(folder):
    with pytest.raises(InputError) as raised:
        opened(folder)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_was_given_away_is_the_model_of_the_run(trained, given):
    model, again = opened(trained), opened(given)
    state, other = model.system.model.state_dict(), again.system.model.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in state.items())
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    assert torch.equal(model.embed_frames(frames), again.embed_frames(frames))
    assert torch.equal(model.embed_text(TEXTS), again.embed_text(TEXTS))
    assert again.loaded.origin == {"step": 4}


def test_the_folder_is_all_that_it_needs_and_tells_no_path(trained, given, tmp_path):
    files = {path.relative_to(given).as_posix() for path in given.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "egocurate.json",
        "model.safetensors",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
    }
    for name in files:
        assert str(trained.parent.parent).encode() not in (given / name).read_bytes()
    moved = shutil.copytree(given, tmp_path / "elsewhere")
    hidden = trained.with_name("hidden")
    trained.rename(hidden)
    try:
        assert torch.equal(opened(moved).embed_text(TEXTS), opened(hidden).embed_text(TEXTS))
    finally:
        hidden.rename(trained)


@pytest.mark.slow
def test_the_card_has_figures_data_and_how_it_is_opened(trained, given):
    card = (given / "README.md").read_text()
    table = (trained / "metrics.csv").read_text().splitlines()
    losses = [line.split(",")[1] for line in table[1:] if line.split(",")[1]]
    assert f"| loss, step 4 | {float(losses[-1]):.4f} |" in card
    assert "| EgoMCQ inter-video, step 4 |" in card
    assert "| shards | 26 | train | 3 verbs, 4 nouns" in card
    code = card.partition("```python\n")[2].partition("```")[0].replace("path/to/this/folder", str(given))
    subprocess.run([sys.executable, "-c", code], check=True)


def test_again_changes_nothing_and_another_model_is_refused(trained, given, capsys, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in given.rglob("*")}
    app(["export-model", str(trained), "--out", str(given)], standalone_mode=False)
    assert "already there, unchanged" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in given.rglob("*")} == before
    with pytest.raises(InputError, match="holds another model"):
        egocurate.save(trained, given, form="egovlp")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        egocurate.save(trained, tmp_path)
    with pytest.raises(InputError, match="holds something else"):
        egocurate.save(trained, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_model_as_it_is_now_is_what_is_given_away(trained, tmp_path):
    model = opened(trained)
    with torch.no_grad():
        model.system.model.vid_proj.bias.add_(1)
    again = opened(egocurate.save(model, tmp_path / "changed"))
    assert torch.equal(again.system.model.vid_proj.bias, model.system.model.vid_proj.bias)


def test_in_place_of_a_run_it_is_evaluated_and_gives_features(given, data, tmp_path, capsys):
    paths = ["--mcq-json", str(data / "egomcq.json"), "--mcq-shards", str(data / "shards")]
    app(["eval", str(given), *paths, "--out", str(tmp_path / "eval")], standalone_mode=False)
    figures = json.loads((tmp_path / "eval" / "eval-egomcq-dual.json").read_text())
    assert figures["step"] == 4
    options = ["--videos", str(data / "video.mp4").replace("video.mp4", ""), "--out", str(tmp_path / "features")]
    app(["features", str(given), *options, "--rate", "1"], standalone_mode=False)
    assert torch.load(tmp_path / "features" / "video.pt", weights_only=True).shape[1] == 8


def test_training_starts_from_it(trained, given):
    model = opened(trained).system.model
    other = type(model)(model.config)
    load_complete(other, str(given))
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())
    assert tokenizer_of(str(given)) == str(given / "tokenizer")


def test_a_text_tower_that_was_loaded_by_name_needs_it_no_more(trained, tiny, tmp_path):
    source = opened(trained)
    source.system.model.text.model.save_pretrained(tmp_path / "tower")
    pretrained = replace(tiny.model, text=replace(tiny.model.text, pretrained=str(tmp_path / "tower")))
    config = replace(source.config, model=pretrained, out=str(tmp_path / "run"), shards=("s3://key:secret@b/x",))
    given = egocurate.save(replace(source, config=config), tmp_path / "given")
    shutil.rmtree(tmp_path / "tower")
    assert torch.equal(opened(given).embed_text(TEXTS), source.embed_text(TEXTS))
    assert "secret" not in (given / "egocurate.json").read_text() + (given / "README.md").read_text()


@pytest.mark.parametrize("name", ["model.safetensors", "egocurate.json", "tokenizer/tokenizer.json"])
def test_a_file_that_is_cut_short_is_one_line(copy, name):
    path = copy / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert name.rpartition("/")[2].partition(".")[0] in one_line(copy)


def test_a_byte_that_flipped_in_the_weights_is_found(copy):
    path = copy / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    assert "model.safetensors is not what was written" in one_line(copy)


def rewrite(folder, **config):
    note = json.loads((folder / "egocurate.json").read_text())
    for key, value in config.items():
        *parents, last = key.split("__")
        place = note["config"]
        for parent in parents:
            place = place[parent]
        place[last] = value
    (folder / "egocurate.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__video__depth": 10**9}, "model.video.depth is 1000000000"),
        ({"model__text__depth": 10**9}, "model.text.depth is 1000000000"),
        ({"model__video__width": 10**12}, "model.video.width is 1000000000000"),
        ({"model__video__width": -16}, "egocurate.json: model.video.width=-16: must be 1 or more"),
        ({"model__video__width": 4000}, "are not those of the config"),
        ({"model__video__heads": 3}, "no model has these sizes (width=16"),
        ({"model__text__vocab": 2}, "the tokenizer has"),
        ({"model__projection": 9}, "are not those of the config"),
        ({"system": "a pickle"}, "written by another version"),
        ({"model": []}, "written by another version"),
        ({"tokenizer": "/etc"}, "tokenizer names another place"),
        ({"start": "/etc/passwd"}, "start names another place"),
        ({"model__text__pretrained": "/etc/passwd"}, "model.text.pretrained names another place"),
        ({"shards": ["/etc"]}, "shards names another place"),
    ],
)
def test_settings_that_are_not_the_model_s_are_one_line(copy, changes, said):
    rewrite(copy, **changes)
    assert said in one_line(copy)


def test_weights_that_are_not_tensors_are_never_run(copy):
    class Runs:
        def __reduce__(self):
            return (open, (str(copy / "victim"), "w"))

    torch.save({"state_dict": Runs()}, copy / "model.safetensors")
    assert "model.safetensors" in one_line(copy)
    assert not (copy / "victim").exists()


def test_other_tensors_than_the_model_s(copy):
    note = json.loads((copy / "egocurate.json").read_text())
    del note["files"]
    (copy / "egocurate.json").write_text(json.dumps(note))
    state = load_file(copy / "model.safetensors")
    for changed in ({"vid_proj.bias": state["vid_proj.bias"].double()}, {"new": torch.zeros(2)}):
        save_file(state | changed, copy / "model.safetensors")
        assert "1 tensors are not those of the config" in one_line(copy)
    (copy / "model.safetensors").unlink()
    assert "not there" in one_line(copy)


def test_released_weights_take_another_form(tmp_path):
    recipe = RECIPES["videomae-tiny"]()
    torch.manual_seed(0)
    model = VideoMAE(recipe.model)
    torch.save({"model": model.state_dict()}, tmp_path / "VideoMAE.pth")
    options = ["--weights", str(tmp_path / "VideoMAE.pth"), "--recipe", "videomae-tiny", "--out", str(tmp_path / "hf")]
    app(["export-model", *options, "--to", "hf"], standalone_mode=False)
    theirs = VideoMAEForPreTraining.from_pretrained(tmp_path / "hf")
    assert torch.equal(theirs.decoder.head.weight, model.decoder.head.weight)
    card = (tmp_path / "hf" / "README.md").read_text()
    assert "These are the weights VideoMAE.pth" in card and "## Figures" not in card


@pytest.mark.slow
def test_train_py_gives_away_too(trained, tmp_path):
    line = [sys.executable, "-m", "egocurate.train", "export", str(trained), "--out", str(tmp_path / "out")]
    subprocess.run(line, check=True)
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_form_for_other_code_is_not_opened_here(trained, tmp_path):
    egocurate.save(trained, tmp_path / "out", form="egovlp")
    assert "'egovlp', for other code" in one_line(tmp_path / "out")


def test_a_disk_that_is_full_leaves_nothing(trained, tmp_path, monkeypatch):
    def full(system, config, folder):
        (folder / "half").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(forms.Form, "write", lambda self, *arguments: full(*arguments))
    with pytest.raises(InputError, match="No space left on device: make room"):
        egocurate.save(trained, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "x"], "name one model"),
        (["nowhere", "--out", "x"], "there is no such folder"),
        (["RUN", "--out", "RUN"], "holds a training run"),
        (["RUN", "--out", "s3://bucket/x"], "name a folder of this machine"),
        (["RUN", "--to", "onnx", "--out", "x"], "'onnx' is not one of"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(trained, arguments, said, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments = [str(trained) if argument == "RUN" else argument for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["export-model", *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_settings_of_the_machine_stay_behind(tiny):
    config = replace(tiny, device="cuda", compile=True, mcq_mode="dual", data=replace(tiny.data, workers=7))
    plain = to_give_away(config)
    assert plain["device"] == "auto"
    assert not plain["compile"]
    assert plain["data"]["workers"] == 2
    assert plain["data"]["size"] == 32
    assert plain["optimizer"]["lr"] == 1e-3
