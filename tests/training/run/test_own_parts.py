"""A run's folder is all that it takes to evaluate it, to have features of it, and to go on with it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

from egocurate.commands.curate import app
from egocurate.errors import InputError
from egocurate.models.egovlpv2.config import EgoVLPv2Config, ObjectiveConfig
from egocurate.models.layers.configs import RobertaTextConfig
from egocurate.models.tokenizer import train_tokenizer
from egocurate.train import train
from tests.training.runs import CLIPS, Stop, run


def towers(tiny, folder):
    """Configs of both models with text towers, whose pretrained ones have sizes that no setting of ours has."""
    small = {"vocab_size": 128, "max_position_embeddings": 20}
    distilbert = DistilBertConfig(dim=16, hidden_dim=24, n_layers=1, n_heads=2, activation="relu", **small)
    roberta = RobertaConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        type_vocab_size=1,
        layer_norm_eps=1e-3,
        **small,
    )
    tokenizer = train_tokenizer([f"moves cup {number}" for number in range(9)], 128)
    for name, model in (("distilbert", DistilBertModel(distilbert)), ("roberta", RobertaModel(roberta))):
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    first = replace(
        tiny,
        model=replace(tiny.model, text=replace(tiny.model.text, pretrained=str(folder / "distilbert"))),
        tokenizer=str(folder / "distilbert"),
    )
    second = replace(
        tiny,
        system="egovlpv2",
        model=EgoVLPv2Config(
            video=replace(tiny.model.video, depth=2, eps=1e-5),
            text=RobertaTextConfig(pretrained=str(folder / "roberta"), max_tokens=16),
            fused_layers=1,
            projection=8,
        ),
        objective=ObjectiveConfig(),
        tokenizer=str(folder / "roberta"),
    )
    return {"egovlp": first, "egovlpv2": second}


def command(*arguments):
    """Run the command line in this process; returns its exit status."""
    return app([str(argument) for argument in arguments], standalone_mode=False)


@pytest.mark.parametrize("name", ["egovlp", pytest.param("egovlpv2", marks=pytest.mark.slow)])
def test_a_run_of_a_pretrained_tower_needs_nothing_but_its_folder(tiny, data, tmp_path, name, capsys):
    config = replace(towers(tiny, tmp_path / "hub")[name], out=str(tmp_path / "run"), max_steps=4)
    with pytest.raises(Stop):
        run(config, stop_at=3)
    (tmp_path / "hub").rename(tmp_path / "gone")
    result = run(config, resume=True)
    assert result.steps == 4

    mcq = ("--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards")
    command("eval", tmp_path / "run", *mcq, "--set", "device=cpu")
    found = json.loads((tmp_path / "run" / "eval-egomcq-dual.json").read_text())
    assert {key: found[key] for key in result.after} == pytest.approx(result.after)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "video.mp4").symlink_to(data / "video.mp4")
    command("features", tmp_path / "run", "--videos", tmp_path / "videos", "--out", tmp_path / "features", "--rate", 1)
    assert len(torch.load(tmp_path / "features" / "video.pt")) == CLIPS + 1

    with pytest.raises(InputError, match="hub does not give it") as raised:
        run(replace(config, out=str(tmp_path / "new")))
    assert "\n" not in str(raised.value)


def test_a_tower_that_was_changed_is_refused(tiny, tmp_path):
    config = replace(towers(tiny, tmp_path / "hub")["egovlp"], out=str(tmp_path / "run"), max_steps=2, mcq_json="")
    run(config)
    (tmp_path / "hub").rename(tmp_path / "moved")
    text = replace(config.model.text, pretrained=str(tmp_path / "moved" / "distilbert"))
    moved = replace(config, model=replace(config.model, text=text), tokenizer=text.pretrained)
    said = []
    train(moved, resume=True, say=said.append)
    assert said == ["finished: step 2 of 2, nothing to do"]
    weights = Path(text.pretrained) / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"(tokenizer|model\.text\.pretrained) changed"):
        run(moved, resume=True)


def test_a_runs_own_tokenizer_that_was_edited_is_refused(tiny, data, tmp_path):
    run(replace(tiny, out=str(tmp_path / "run"), max_steps=1, mcq_json=""))
    train_tokenizer(["moves plate"], 128).save_pretrained(tmp_path / "run" / "tokenizer")
    with pytest.raises(InputError, match="another tokenizer than"):
        command("eval", tmp_path / "run", "--mcq-json", data / "egomcq.json", "--mcq-shards", data / "shards")


def test_a_pretrained_tower_reads_no_tokenizer_made_here(tiny, tmp_path):
    config = replace(towers(tiny, tmp_path / "hub")["egovlp"], out=str(tmp_path / "run"), tokenizer="")
    with pytest.raises(InputError, match=r"--set tokenizer=.*distilbert") as raised:
        run(config)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()
