"""EgoVLP is tuned to Charades-Ego: texts are the phrases of classes, and a class makes positives."""

import json
from dataclasses import replace

import pytest
import torch

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.info_nce import info_nce
from egocurate.progress import silent
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.charades import CharadesEvaluator, read_charades
from tests.training.downstream import curate, tiny, write_tasks
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run

HERE = Ranks(0, 1, torch.device("cpu"), False)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks"), ("charades",))


def tuned(data, out, **changes):
    base = {"annotations": str(data / "charades/CharadesEgo")}
    return tiny("egovlp-charades-tiny", data / "actions", out, **base | changes)


def test_texts_are_the_phrases_that_the_test_asks_with(data, tmp_path):
    config = tuned(data, tmp_path)
    data_of_run = open_stream(config, HERE)
    system = build_system(config, data_of_run, HERE)
    assert system.phrases == read_charades(data / "charades/CharadesEgo").phrases
    index, batch = ShardIndex.open(data / "actions"), next(iter(data_of_run))
    shown = [index.row(number) for number in batch.sample.tolist()]
    phrases = [system.phrases[row.labels["action"]] for row in shown]
    text, _ = system.embed(system.model.eval(), batch, StepRng(0, 0, 8))
    torch.testing.assert_close(text, system.embed_texts(phrases))
    assert [row.clip_text for row in shown] == phrases  # so a tokenizer is made of them


@pytest.mark.parametrize("loss", ["egonce", "info_nce"])
def test_clips_of_a_class_are_positives_by_egonce_alone(data, tmp_path, loss):
    config = tuned(data, tmp_path, objective=Contrast(loss=loss))
    stream = open_stream(config, HERE)
    system, batch = build_system(config, stream, HERE), next(iter(stream))
    text, video = torch.randn(2, len(batch), 16)
    shared = torch.nn.functional.one_hot(batch.labels["action"]).bool()
    by_hand = egonce(text, video, shared, shared) if loss == "egonce" else info_nce(text, video)
    torch.testing.assert_close(system.compare((text, video), batch)["loss"], by_hand)

    unknown = replace(batch, labels={"action": torch.where(torch.arange(len(batch)) < 2, -1, batch.labels["action"])})
    one, other = text.clone(), text.clone()
    other[:2] = 7.0
    torch.testing.assert_close(*(system.compare((each, video), unknown)["loss"] for each in (one, other)))


@pytest.mark.slow
def test_a_run_is_tested_and_goes_on_as_if_it_had_not_stopped(data, tmp_path):
    whole, stopped = (tuned(data, tmp_path / name) for name in ("whole", "stopped"))
    result = run(whole)
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    assert rows(tmp_path / "stopped", "step", "loss", "test_map") == rows(
        tmp_path / "whole", "step", "loss", "test_map"
    )

    system, _ = restore(replace(read_run(tmp_path / "whole", []), shards=()), HERE)
    assert CharadesEvaluator(whole, system, HERE, silent).evaluate() == (result.after, [])
    folder = data / "charades"
    videos = ("--charades-videos", folder / "CharadesEgo_v1_480", "--set", "device=cpu")
    assert not curate("eval", tmp_path / "whole", "--charades", folder / "CharadesEgo", *videos)
    assert json.loads((tmp_path / "whole/eval-charades-ego.json").read_text())["map"] == pytest.approx(
        result.after["map"], abs=1e-3
    )


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns(data, tmp_path):
    for ranks in (1, 2):
        together(ranks, run, tuned(data, tmp_path / str(ranks), max_steps=2))
    one, two = (rows(tmp_path / name, "loss", "test_map") for name in ("1", "2"))
    for ours, theirs in zip(one, two, strict=True):
        assert [v for v in theirs if v is not None] == pytest.approx([v for v in ours if v is not None], rel=1e-5)


def test_what_does_not_fit_is_one_line(data, tmp_path):
    with pytest.raises(InputError, match="whole videos, not on --test-shards"):
        CharadesEvaluator(tuned(data, tmp_path, test_shards=str(data / "actions")), None, HERE, silent)
    config = tuned(data, tmp_path)
    stream = open_stream(config, HERE)
    stream.indexes[0].manifest.pop("labels")
    with pytest.raises(InputError, match="no label action"):
        build_system(config, stream, HERE)
