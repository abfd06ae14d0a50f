"""Dual encoders are tuned for multi-instance retrieval: what texts they learn from, and how they are tested."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.models.egovlpv2.dual import EgoVLPv2Dual
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.metrics.retrieval import Actions, relevancy
from egocurate.progress import silent
from egocurate.training.config.loss_configs import MaxMargin
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.initial_weights import load_start
from egocurate.training.systems.relevant_sentences import RelevantSentences
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.epic_retrieval import EpicRetrievalEvaluator
from tests.training.downstream import curate, tiny, write_tasks
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run

HERE = Ranks(0, 1, torch.device("cpu"), False)
BOTH = pytest.mark.parametrize(
    "recipe", ["egovlp-epic-mir-tiny", pytest.param("egovlpv2-epic-mir-tiny", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks"), ("epic", "ego4d"))


def mir(data, out, recipe="egovlp-epic-mir-tiny", **changes):
    test = {"test_shards": str(data / "mir-test"), "annotations": str(data / "epic/retrieval_annotations")}
    return tiny(recipe, data / "mir-train", out, **test | changes)


def first_batch(config):
    return next(iter(open_stream(config, HERE)))


def test_sentences_are_drawn_by_relevancy(data, tmp_path):
    config = mir(data, tmp_path)
    index = ShardIndex.open(data / "mir-train")
    samples = [index.row(place) for place in range(len(index))]
    sentences = RelevantSentences([index], "normalized", 0.1)
    batch = first_batch(config)
    actions = {row.text: (int(row.tag_verb[0]), set(row.tag_noun.tolist())) for row in reversed(samples)}
    texts = list(dict.fromkeys(row.text for row in samples))
    every = Actions(np.array([actions[text][0] for text in texts]), [actions[text][1] for text in texts])
    own = [samples[number] for number in batch.sample.tolist()]
    here = Actions(np.array([row.tag_verb[0] for row in own]), [set(row.tag_noun.tolist()) for row in own])
    wanted = relevancy(here, every)
    met = [set() for _ in own]
    for share in np.linspace(0, 0.999, 60):
        drawn, relevance = sentences.draw(batch, torch.full((len(batch),), float(share)))
        places = [texts.index(text) for text in drawn]
        np.testing.assert_allclose(relevance, wanted[np.arange(len(own)), places], rtol=1e-6)
        for seen, place in zip(met, places, strict=True):
            seen.add(place)
    assert met == [set(np.flatnonzero(row > 0.1).tolist()) for row in wanted]
    assert max(map(len, met)) > 1


def test_a_clip_without_a_relevant_sentence_keeps_its_own(data, tmp_path):
    batch = first_batch(mir(data, tmp_path))
    sentences = RelevantSentences([ShardIndex.open(data / "mir-train")], "normalized", 1.0)
    texts, relevance = sentences.draw(batch, torch.zeros(len(batch)))
    assert (texts, relevance.tolist()) == (batch.texts, [1.0] * len(batch))


@BOTH
def test_a_run_is_tested_and_used_from_its_folder_alone(recipe, data, tmp_path, capsys):
    config = mir(data, tmp_path / "run", recipe, objective=MaxMargin(dual_softmax=True))
    result = run(config)
    names = {f"{metric}_{side}" for metric in ("map", "ndcg") for side in ("v2t", "t2v", "avg")}
    assert set(result.after) == names | {f"dual_{name}" for name in names}
    assert [row for row in rows(tmp_path / "run", "step", "test_map_avg") if row[1] is not None][-1][0] == 4
    system, _ = restore(replace(read_run(tmp_path / "run", []), shards=()), HERE)
    assert EpicRetrievalEvaluator(config, system, HERE, silent).evaluate() == (result.after, [])

    test = ("--epic-retrieval", config.annotations, "--epic-shards", config.test_shards, "--dual-softmax")
    assert not curate("eval", tmp_path / "run", *test, "--set", "device=cpu")
    assert "dual softmax" in capsys.readouterr().out
    found = json.loads((tmp_path / "run/eval-epic-retrieval.json").read_text())
    assert {name: found[name] for name in result.after} == pytest.approx(result.after, abs=1e-3)


@pytest.mark.slow
@BOTH
def test_a_stopped_run_goes_on_to_the_same_losses(recipe, data, tmp_path):
    whole, stopped = (mir(data, tmp_path / name, recipe) for name in ("whole", "stopped"))
    run(whole)
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    columns = ("step", "loss", "test_map_avg", "test_ndcg_avg")
    assert rows(tmp_path / "stopped", *columns) == rows(tmp_path / "whole", *columns)


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns(data, tmp_path):
    for ranks in (1, 2):
        together(ranks, run, mir(data, tmp_path / str(ranks), max_steps=2))
    one, two = (rows(tmp_path / name, "loss", "test_map_avg", "test_ndcg_avg") for name in ("1", "2"))
    for ours, theirs in zip(one, two, strict=True):
        assert [value is None for value in ours] == [value is None for value in theirs]
        assert [v for v in theirs if v is not None] == pytest.approx([v for v in ours if v is not None], rel=1e-5)


def test_micro_batches_give_the_gradient_of_the_batch(data, tmp_path):
    config = mir(data, tmp_path)
    system = build_system(config, open_stream(config, HERE), HERE)
    batch, rng = first_batch(config), StepRng(0, 0, 8)
    found = []
    for count in (1, 4):
        system.model.zero_grad()
        part = BatchGradient(replace(config, micro_batches=count), system, system.model, HERE)
        loss = part.backward(batch, rng)["loss"]
        found.append((loss, [one.grad.clone() for one in system.model.parameters() if one.grad is not None]))
    torch.testing.assert_close(found[0], found[1])


def test_what_fuses_egovlpv2_neither_learns_nor_takes_memory(data, tmp_path):
    config = mir(data, tmp_path, "egovlpv2-epic-mir-tiny")
    system = build_system(config, open_stream(config, HERE), HERE)
    system.losses(system.model, first_batch(config), StepRng(0, 0, 8))["loss"].backward()
    frozen = {name.partition(".")[0] for name, one in system.model.named_parameters() if not one.requires_grad}
    assert frozen == {
        *("video_gates", "text_gates", "fused_norm", "text_transform", "video_transform", "mlm_head", "vtm_head"),
    }
    for name, one in system.model.named_parameters():
        assert (one.grad is not None) == one.requires_grad, name
    groups = build_optimizer(system.model, config.optimizer).param_groups
    stepped = {id(one) for group in groups for one in group["params"]}
    assert stepped == {id(one) for one in system.model.parameters() if one.requires_grad}


def test_a_release_of_egovlpv2_starts_it(data, tmp_path):
    config = mir(data, tmp_path, "egovlpv2-epic-mir-tiny").model
    pretrained, dual = EgoVLPv2(config), EgoVLPv2Dual(config)
    torch.save({"state_dict": pretrained.state_dict()}, tmp_path / "v2.pth")
    load_start(dual, str(tmp_path / "v2.pth"))
    for name, value in pretrained.state_dict().items():
        assert torch.equal(value, dual.state_dict()[name]), name


def test_one_half_of_the_test_is_refused(data, tmp_path):
    for lacking in ("annotations", "test_shards"):
        with pytest.raises(InputError, match="needs --annotations"):
            EpicRetrievalEvaluator(mir(data, tmp_path, **{lacking: ""}), None, HERE, silent)
    neither = mir(data, tmp_path, annotations="", test_shards="")
    assert EpicRetrievalEvaluator(neither, None, HERE, silent).evaluate() == ({}, [])


def test_shards_without_classes_are_refused(data):
    with pytest.raises(InputError, match="no clip has a verb class"):
        RelevantSentences([ShardIndex.open(data / "changes-train")], "normalized", 0.1)
