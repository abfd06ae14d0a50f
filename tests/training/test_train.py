"""Training on real shards: resume to the bit, any number of ranks, what a run leaves, what it refuses."""

import json
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from egocurate.commands.curate import main
from egocurate.errors import InputError
from egocurate.loaders.config import StreamConfig
from egocurate.train import train
from egocurate.training.config.loss_configs import Contrast
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.step.batches import open_stream
from tests.training.runs import STEPS, Stop, rows, run, saved


@pytest.fixture(scope="module")
def straight(tiny, tmp_path_factory):
    """A run of eight steps without a stop: its config and its result."""
    config = replace(tiny, out=str(tmp_path_factory.mktemp("straight") / "run"))
    return config, run(config)


def test_a_run_leaves_what_it_promises(straight):
    config, result = straight
    out = Path(config.out)
    assert result.steps == STEPS
    assert result.before.keys() == result.after.keys() == {"inter", "intra"}
    assert result.clips_per_sec > 0
    assert json.loads((out / "result.json").read_text())["after"] == result.after
    assert json.loads((out / "recipe.json").read_text())["model"]["video"]["width"] == 16
    assert (out / "tokenizer" / "tokenizer.json").exists()
    assert list((out / "tensorboard").iterdir())
    assert [row for row in rows(out, "step", "mcq_inter") if row[1] is not None] == [
        [0, result.before["inter"]],
        [4, rows(out, "mcq_inter")[5][0]],
        [8, result.after["inter"]],
    ]
    losses = [loss for (loss,) in rows(out, "loss") if loss is not None]
    assert len(losses) == STEPS
    assert all(np.isfinite(losses))


# Before and after the end of the first epoch, both past a checkpoint.
@pytest.mark.parametrize("stop_at", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_stopped_and_resumed_equals_unbroken_to_the_bit(tiny, tmp_path, stop_at):
    text = replace(tiny.model.text, dropout=0.3)  # random numbers must go on as well
    tiny = replace(tiny, model=replace(tiny.model, text=text))
    unbroken, broken = (replace(tiny, out=str(tmp_path / name)) for name in ("unbroken", "broken"))
    expected = run(unbroken)
    with pytest.raises(Stop):
        run(broken, stop_at=stop_at)
    (tmp_path / "broken" / "checkpoints" / "writing").mkdir()  # as a kill in the middle of a checkpoint leaves it
    result = run(broken, resume=True)
    assert (result.before, result.after) == (expected.before, expected.after)
    columns = ("step", "loss", "lr", "mcq_inter", "mcq_intra")
    assert rows(tmp_path / "broken", *columns) == rows(tmp_path / "unbroken", *columns)
    ours, theirs = saved(tmp_path / "broken", STEPS, tmp_path), saved(tmp_path / "unbroken", STEPS, tmp_path)
    assert ours.keys() == theirs.keys()
    assert any("exp_avg_sq" in name for name in ours)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def rank_of_two(rank, folder, config):
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": "2"}
    for out, resume in (("fresh", False), ("resumed", True)):
        # torchrun hands out the address of a store; here a file is one.
        where = {"init_method": f"file://{folder}/{out}.store", "rank": rank, "world_size": 2}
        with mock.patch.object(dist, "init_process_group", partial(dist.init_process_group, **where)):
            result = run(replace(config, out=str(folder / out)), resume=resume)
        (folder / f"{out}-{rank}.json").write_text(json.dumps([result.before, result.after]))


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(straight, tiny, tmp_path):
    config, expected = straight
    shutil.copytree(config.out, tmp_path / "resumed")
    for step in (6, 8):
        shutil.rmtree(tmp_path / "resumed" / "checkpoints" / f"step-{step:08d}")
    mp.spawn(rank_of_two, (tmp_path, config), nprocs=2)
    for out in ("fresh", "resumed"):
        columns = ("step", "loss", "lr", "mcq_inter", "mcq_intra")
        one, two = rows(Path(config.out), *columns), rows(tmp_path / out, *columns)
        assert len(one) == len(two)
        for a, b in zip(one, two, strict=True):
            assert [x is None for x in a] == [x is None for x in b]
            assert [x or 0 for x in a] == pytest.approx([x or 0 for x in b], rel=1e-4)
        for rank in range(2):
            assert json.loads((tmp_path / f"{out}-{rank}.json").read_text()) == [expected.before, expected.after]
        ours, theirs = saved(tmp_path / out, STEPS, tmp_path), saved(Path(config.out), STEPS, tmp_path)
        for name in theirs:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=2e-5, msg=name)


def test_a_finished_run_is_not_run_again(straight):
    config, result = straight
    stages, said = [], []
    again = train(config, resume=True, report=lambda stage, done, total: stages.append(stage), say=said.append)
    assert again == result
    assert stages == []
    assert said == ["finished: step 8 of 8, nothing to do"]


def test_a_run_stopped_before_its_result_gets_it(straight, tmp_path):
    config, result = straight
    shutil.copytree(config.out, tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    again = run(replace(config, out=str(tmp_path / "run")), resume=True)
    assert (again.before, again.after, again.steps) == (result.before, result.after, result.steps)


def test_old_checkpoints_go(tiny, tmp_path):
    run(replace(tiny, out=str(tmp_path / "run"), keep_checkpoints=2, mcq_json="", max_steps=7))
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000006", "step-00000007"]


@pytest.mark.slow
def test_info_nce_and_the_published_rules_train_too(tiny, tmp_path):
    """Seed 2 draws a first batch with a pair that lacks a noun, so that the rules differ on it."""
    losses, seeded = {}, replace(tiny.data, seed=2)
    for name, change in {
        "egonce": {},
        "info_nce": {"objective": Contrast(loss="info_nce")},
        "published": {"objective": Contrast(undecided="negative")},
        "without": {"data": replace(seeded, negatives=False)},
    }.items():
        config = replace(tiny, out=str(tmp_path / name), mcq_json="", max_steps=1, data=seeded)
        run(replace(config, **change))
        losses[name] = rows(tmp_path / name, "loss")[0][0]
    assert losses["info_nce"] > losses["published"] > losses["egonce"] > 0
    assert losses["without"] != losses["egonce"]


def test_clips_cropped_on_the_device_teach_the_same(tiny, tmp_path):
    losses = []
    for where in ("host", "device"):
        config = replace(tiny, out=str(tmp_path / where), mcq_json="", max_steps=2, data=replace(tiny.data, crop=where))
        run(config)
        losses.append(rows(tmp_path / where, "loss")[:2])
    assert losses[0] == losses[1]
    assert losses[1] == [[pytest.approx(loss, rel=0.01)] for (loss,) in losses[0]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"out": ""}, "--out"),
        ({"shards": ("nowhere",)}, "nowhere"),
        ({"data": StreamConfig(size=64, workers=0)}, "image is 32"),
        ({"batch_size": 64}, "batch size 64"),
        ({"tokenizer": "/nowhere/tokenizer"}, "/nowhere/tokenizer"),
        ({"video_weights": "nowhere.pth"}, "nowhere.pth"),
        ({"mcq_json": "nowhere.json"}, "nowhere.json"),
        ({"device": "cuda"}, "--set device=cpu"),
        ({"optimizer": OptimizerConfig(lr=1e30)}, "optimizer.lr"),
    ],
)
def test_a_mistake_is_one_line(tiny, tmp_path, change, words):
    if "device" in change and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=words) as raised:
        run(replace(tiny, **{"out": str(tmp_path / "run")} | change))
    assert "\n" not in str(raised.value)
    if "optimizer" not in change:  # that one shows while training
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_stopped_before_its_first_checkpoint_starts_over(straight, tiny, tmp_path):
    with pytest.raises(Stop):
        run(replace(tiny, out=str(tmp_path / "run")), stop_at=1)
    run(replace(tiny, out=str(tmp_path / "run")), resume=True)
    columns = ("step", "loss", "lr", "mcq_inter", "mcq_intra")
    assert rows(tmp_path / "run", *columns) == rows(Path(straight[0].out), *columns)


def test_a_folder_with_a_run_is_left_alone(straight):
    config, _ = straight
    with pytest.raises(InputError, match="--resume"):
        run(config)
    with pytest.raises(InputError, match=r"optimizer\.lr \(0\.001 -> 0\.5\)"):
        run(replace(config, optimizer=replace(config.optimizer, lr=0.5)), resume=True)


def test_ranks_that_do_not_divide_the_batch_are_refused(tiny):
    ranks = Ranks(0, 3, torch.device("cpu"), False)
    with pytest.raises(InputError, match="3 ranks"):
        open_stream(tiny, ranks)


def command(*arguments):
    with pytest.raises(SystemExit) as left:
        main(["train", *map(str, arguments)])
    return left.value.code


def test_the_command_says_a_mistake_in_one_line(capsys, tmp_path):
    code = command("egovlp-tiny", "--shards", tmp_path, "--out", tmp_path / "run", "--set", "speed=9")
    assert code == 2
    error = capsys.readouterr().err
    assert error.startswith("curate: --set speed")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()
    code = command("egovlp-tiny", "--shards", tmp_path, "--out", tmp_path / "run", "--mcq-json", "a")
    assert code == 2
    assert "--mcq-shards" in capsys.readouterr().err


def test_help_shows_lines_to_copy(capsys):
    assert command("--help") == 0
    shown = capsys.readouterr().out
    assert "torchrun --nnodes 2" in shown
    assert "--set optimizer.lr=1e-4" in shown
    assert "egovlp-tiny" in shown
