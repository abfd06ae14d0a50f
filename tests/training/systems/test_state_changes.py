"""A classifier learns whether an object changes and at which frame, and is tested in percent and in seconds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from egocurate.errors import InputError
from egocurate.loaders import ShardIndex
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.state_changes import StateChangeClassifier
from egocurate.progress import silent
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.start_sizes import with_sizes_of_start
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.state_changes import keyframes
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.state_changes import StateChangeEvaluator, windows_of
from tests.training.downstream import VIDEO, tiny, write_tasks
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run

HERE = Ranks(0, 1, torch.device("cpu"), False)
BOTH = Classification(labels=("state_change", "keyframe"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_tasks(tmp_path_factory.mktemp("tasks"), ("ego4d",))


def tuned(data, out, recipe="egovlp-oscc-tiny", **changes):
    base = {"test_shards": str(data / "changes-val"), "batch_size": 4}
    return tiny(recipe, data / "changes-train", out, **base | changes)


def test_the_keyframe_is_the_frame_nearest_to_the_change(data):
    index = ShardIndex.open(data / "changes-train")
    windows, found = windows_of(index, range(len(index))), keyframes(index, 16)
    assert np.array_equal(found == -1, index.labels["state_change"] == 0)
    assert (found >= 0).any()
    at = windows.start_sec[:, None] + np.arange(16) / 16 * 8.0
    changes = found >= 0
    nearest = np.abs(at - windows.change_sec[:, None])[changes].argmin(1)
    assert np.array_equal(found[changes], nearest)


def test_the_loss_is_of_each_question_and_windows_without_a_change_have_no_keyframe(data, tmp_path):
    config = tuned(data, tmp_path, objective=BOTH)
    stream = open_stream(config, HERE)
    system, batch = build_system(config, stream, HERE), next(iter(stream))
    losses = system.losses(system.model.eval(), batch, StepRng(0, 0, 4))
    logits = system.logits(batch.frames)
    frames = torch.from_numpy(keyframes(stream.index, 4))[batch.sample]
    change = F.cross_entropy(logits["state_change"], batch.labels["state_change"])
    known = frames >= 0
    of_changes = F.cross_entropy(logits["keyframe"][known], frames[known], reduction="sum")
    torch.testing.assert_close(losses["state_change"], change)
    torch.testing.assert_close(losses["keyframe"], of_changes / len(batch))
    torch.testing.assert_close(losses["loss"], losses["state_change"] + losses["keyframe"])


@pytest.mark.parametrize(
    ("recipe", "objective", "names"),
    [
        pytest.param("egovlp-oscc-tiny", None, {"accuracy"}, marks=pytest.mark.slow),
        pytest.param("egovlp-pnr-tiny", None, {"error_sec"}, marks=pytest.mark.slow),
        ("egovlp-oscc-tiny", BOTH, {"accuracy", "error_sec"}),
    ],
)
def test_a_run_is_tested_and_used_from_its_folder_alone(recipe, objective, names, data, tmp_path):
    config = tuned(data, tmp_path / "run", recipe)
    config = replace(config, objective=objective or config.objective)
    result = run(config)
    assert set(result.after) == names
    found = read_run(tmp_path / "run", [])
    assert (found.model, found.objective) == (config.model, config.objective)
    system, step = restore(replace(found, shards=()), HERE)
    assert (step, StateChangeEvaluator(config, system, HERE, silent).evaluate()) == (4, (result.after, []))


def test_the_figures_by_hand(data, tmp_path):
    config = tuned(data, tmp_path, objective=BOTH)
    system = build_system(config, open_stream(config, HERE), HERE)
    index = ShardIndex.open(data / "changes-val")
    draw, labels = np.random.default_rng(0), index.labels["state_change"]
    scores = {"state_change": draw.random((len(index), 2)), "keyframe": draw.random((len(index), 4))}
    decoded = np.arange(len(index)) > 0
    found = StateChangeEvaluator(config, system, HERE, silent).figures(scores, decoded)
    right = [scores["state_change"][row].argmax() == labels[row] for row in range(1, len(index))]
    errors = []
    for row in range(1, len(index)):
        clip = index.row(row)
        if labels[row] == 1:
            told = clip.clip_start + scores["keyframe"][row].argmax() / 4 * (clip.clip_end - clip.clip_start)
            errors.append(abs(told - clip.narration_time))
    assert found == pytest.approx({"accuracy": 100 * np.mean(right), "error_sec": np.mean(errors)})


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_losses(data, tmp_path):
    whole, stopped = (tuned(data, tmp_path / name, objective=BOTH) for name in ("whole", "stopped"))
    run(whole)
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    columns = ("step", "loss", "test_accuracy", "test_error_sec")
    assert rows(tmp_path / "stopped", *columns) == rows(tmp_path / "whole", *columns)


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns(data, tmp_path):
    for ranks in (1, 2):
        together(ranks, run, tuned(data, tmp_path / str(ranks), objective=BOTH, max_steps=2))
    one, two = (rows(tmp_path / name, "loss", "test_accuracy", "test_error_sec") for name in ("1", "2"))
    for ours, theirs in zip(one, two, strict=True):
        assert [v for v in theirs if v is not None] == pytest.approx([v for v in ours if v is not None], rel=1e-5)


def test_a_tower_of_four_frames_is_tuned_to_sixteen(data, tmp_path):
    run(tiny("egovlp-tiny", data / "changes-train", tmp_path / "four", max_steps=1, batch_size=4))
    start = with_sizes_of_start(replace(RECIPES["egovlp-oscc-tiny"](), start=str(tmp_path / "four")))
    assert (start.data.frames, start.data.size, start.model.backbone.width) == (16, 32, 32)
    assert start.model.backbone.max_frames >= 16
    config = tuned(data, tmp_path / "run", start=start.start, max_steps=1)
    sized = with_sizes_of_start(replace(config, data=replace(config.data, frames=16)))
    system = build_system(sized, open_stream(sized, HERE), HERE)
    system.load_initial_weights(sized)
    four = restore(read_run(tmp_path / "four", []), HERE)[0].model.video
    assert torch.equal(system.model.backbone.temporal_embed[:, :4], four.temporal_embed)
    assert not system.model.backbone.temporal_embed[:, 4:].any()
    assert torch.equal(system.model.backbone.blocks[1].mlp.fc1.weight, four.blocks[1].mlp.fc1.weight)


@pytest.mark.parametrize("name", [f"egovlp-{task}{size}" for task in ("oscc", "pnr") for size in ("", "-tiny")])
def test_a_recipe_from_nothing_takes_its_frames(name):
    config = RECIPES[name]()
    assert config.model.backbone.max_frames == config.data.frames == 16


def test_with_the_head_of_frames_each_is_scored_by_its_own_tokens():
    config = ClassifierConfig(VIDEO, head="mean")
    model = StateChangeClassifier(config, {"state_change": 2, "keyframe": 4}).eval()
    frames = torch.randn(2, 4, 3, 32, 32)
    logits = model(frames)
    assert {kind: tuple(part.shape) for kind, part in logits.items()} == {"state_change": (2, 2), "keyframe": (2, 4)}
    tokens = model.tokens(frames)
    own = model.scores["keyframe"](model.norm(tokens[:, 1 + 4 * 2 : 1 + 4 * 3].mean(1)))  # four patches a frame
    torch.testing.assert_close(logits["keyframe"][:, 2:3], own)
    with pytest.raises(ValueError, match="state changes take cls or mean"):
        StateChangeClassifier(ClassifierConfig(VIDEO, head="map"), {"keyframe": 4})


def test_other_shards_are_refused(data, tmp_path):
    config = tuned(data, tmp_path)
    stream = open_stream(config, HERE)
    stream.indexes[0].manifest.pop("labels")
    with pytest.raises(InputError, match="no label state_change"):
        build_system(config, stream, HERE)
