"""EgoVLPv2 answers questions about clips: what learns, what is asked, and runs on EgoTaskQA's files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from egocurate.curation.synthetic.egotaskqa import write_egotaskqa
from egocurate.errors import InputError
from egocurate.labels import UNKNOWN
from egocurate.loaders import ShardIndex
from egocurate.models.egovlpv2.answers import HEAD, EgoVLPv2Answers
from egocurate.progress import silent
from egocurate.training.config.loss_configs import Answering
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.egotaskqa import EgoTaskQAEvaluator
from tests.training.downstream import ROOT, curate, tiny
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run

HERE = Ranks(0, 1, torch.device("cpu"), False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("questions")
    write_egotaskqa(folder, replace(ROOT, train=4, test=2))
    questions, names = folder / "egotaskqa", []
    for name in ("train", "test"):
        cut = ("segments", "--csv", questions / f"qa/direct/{name}_qas.json", "--videos-dir", questions / "qa_videos")
        assert not curate(*cut, *names, "--profile", "fast", "--out", folder / name)
        names = ["--label-names", folder / "train"]
    return folder


def tuned(data, out, **changes):
    base = {"test_shards": str(data / "test"), "objective": Answering(dropout=0.0)}
    return tiny("egovlpv2-egotaskqa-tiny", data / "train", out, **base | changes)


def test_all_that_learns_has_a_gradient_and_nothing_else(data, tmp_path):
    for shared in (True, False):
        for head_only in (False, True):
            config = tuned(data, tmp_path, objective=Answering(head_only=head_only))
            config = replace(config, model=replace(config.model, shared=shared))
            stream = open_stream(config, HERE)
            system, batch = build_system(config, stream, HERE), next(iter(stream))
            # A gate that is shut lets nothing of the other tower through, at first.
            for name, parameter in system.model.named_parameters():
                if name.endswith(("gate", "alpha")):
                    torch.nn.init.ones_(parameter)
            system.losses(system.model, batch, StepRng(0, 0, 8))["loss"].backward()
            learned = {name for name, one in system.model.named_parameters() if one.grad is not None}
            assert learned == {name for name, one in system.model.named_parameters() if one.requires_grad}
            assert all(name.startswith(HEAD) for name in learned) == head_only


def test_the_question_decides_what_is_answered(data, tmp_path):
    config = tuned(data, tmp_path)
    system = build_system(config, open_stream(config, HERE), HERE)
    system.model.eval()
    frames = torch.randint(0, 256, (2, 4, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        for gate in [one for name, one in system.model.named_parameters() if "gates" in name and one.numel() == 1]:
            gate.fill_(1.0)
        asked = system.answer_logits(frames, ["What does the person move?", "what does the PERSON move?"])
        other = system.answer_logits(frames, ["Does the person move the cup?"] * 2)
    alone = system.answer_logits(frames[:1], ["What does the person move?"])
    torch.testing.assert_close(asked[:1], alone)
    assert not torch.allclose(asked, other)
    spelled = system.answer_logits(frames[:1], ["WHAT does the person move?"])
    torch.testing.assert_close(spelled, alone)


def test_the_figures_by_hand(data, tmp_path):
    config = tuned(data, tmp_path)
    system = build_system(config, open_stream(config, HERE), HERE)
    index, evaluator = ShardIndex.open(data / "test"), EgoTaskQAEvaluator(config, system, HERE, silent)
    scores = np.random.default_rng(0).random((len(index), len(system.label_names["answer"])))
    decoded = np.arange(len(index)) > 0
    figures = evaluator.figures({"answer": scores}, decoded)
    labels = index.labels["answer"]
    right = (scores.argmax(1) == labels) & (labels != UNKNOWN)
    kinds = [index.label_names["reasoning"][number] for number in index.labels["reasoning"]]
    is_open = np.array(["$query$" in kind for kind in kinds])
    assert figures["accuracy"] == pytest.approx(100 * right[1:].mean())
    assert figures["open"] == pytest.approx(100 * right[decoded & is_open].mean())
    assert {"binary", "direct", "indirect", "action", "object", "descriptive", "world"} <= set(figures)


def test_a_run_is_tested_and_used_from_its_folder_alone(data, tmp_path):
    config = tuned(data, tmp_path / "run")
    result = run(config)
    found = read_run(tmp_path / "run", [])
    assert (found.model, found.objective) == (config.model, config.objective)
    system, step = restore(replace(found, shards=()), HERE)
    assert (step, EgoTaskQAEvaluator(config, system, HERE, silent).evaluate()) == (4, (result.after, []))


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_losses(data, tmp_path):
    whole, stopped = (tuned(data, tmp_path / name) for name in ("whole", "stopped"))
    run(whole)
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    columns = ("step", "loss", "test_accuracy")
    assert rows(tmp_path / "stopped", *columns) == rows(tmp_path / "whole", *columns)


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns(data, tmp_path):
    for ranks in (1, 2):
        together(ranks, run, tuned(data, tmp_path / str(ranks), max_steps=2))
    one, two = (rows(tmp_path / name, "loss", "test_accuracy") for name in ("1", "2"))
    for ours, theirs in zip(one, two, strict=True):
        assert [v for v in theirs if v is not None] == pytest.approx([v for v in ours if v is not None], rel=1e-5)


@pytest.mark.slow
def test_it_learns_to_answer_by_the_clip_and_the_question(data, tmp_path):
    """Of the clips that it learns from; no answer to each kind of question, whatever the clip, is right so often."""
    config = tuned(data, tmp_path / "run", test_shards=str(data / "train"), max_steps=150, epochs=100)
    optimizer = replace(config.optimizer, lr=3e-3, warmup_steps=5)
    figures = run(replace(config, optimizer=optimizer, eval_every=10**6, checkpoint_every=10**6, log_every=50)).after
    assert figures["accuracy"] > best_without_a_look(ShardIndex.open(data / "train")) + 20


def best_without_a_look(index):
    """The accuracy in percent of the most frequent answer to each kind of question."""
    answers = {}
    for kind, answer in zip(index.labels["reasoning"].tolist(), index.labels["answer"].tolist(), strict=True):
        answers.setdefault(kind, []).append(answer)
    return 100 * sum(max(map(one.count, one)) for one in answers.values()) / len(index)


def test_what_cannot_be_answered_from_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="towers from nothing have nothing to tell a head"):
        run(tuned(data, tmp_path / "run", objective=Answering(head_only=True)))
    config = tuned(data, tmp_path)
    stream = open_stream(config, HERE)
    stream.indexes[0].manifest.pop("labels")
    with pytest.raises(InputError, match="no label answer"):
        build_system(config, stream, HERE)


@pytest.mark.slow
def test_the_towers_start_from_a_run_of_egovlpv2(data, tmp_path):
    before = tiny("egovlpv2-tiny", data / "train", tmp_path / "before", max_steps=1, batch_size=4)
    run(before)
    config = tuned(data, tmp_path / "run", start=str(tmp_path / "before"), max_steps=1)
    config = replace(config, model=before.model, objective=Answering(head_only=True))
    run(config)
    towers = restore(read_run(tmp_path / "before", []), HERE)[0].model.state_dict()
    after = restore(read_run(tmp_path / "run", []), HERE)[0].model
    assert isinstance(after, EgoVLPv2Answers)
    assert all(torch.equal(value, towers[name]) for name, value in after.state_dict().items() if name in towers)
