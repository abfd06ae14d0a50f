"""VideoMAE on real shards: it learns, resumes to the bit, hides the same on any number of ranks."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from egocurate.commands.curate import main
from egocurate.commands.report.film_strip import CAPTION_PX
from egocurate.commands.report.reconstruction import LEAST_PX
from egocurate.errors import InputError
from egocurate.loaders.presets import PRESETS
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.train import train
from egocurate.training.config.loss_configs import Reconstruction
from egocurate.training.config.optimizer import OptimizerConfig, learning_rate
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run, saved

torch.set_num_threads(1)
STEPS = 8
COLUMNS = ("step", "loss", "lr")


@pytest.fixture(scope="module")
def small(tiny):
    """Eight steps of four clips of 4 frames of 32 pixels; OUT is still open."""
    return replace(
        tiny,
        system="videomae",
        model=VideoMAEConfig.tiny(),
        objective=Reconstruction(),
        data=replace(PRESETS["videomae"], frames=4, size=32, workers=0),
        optimizer=OptimizerConfig(lr=3e-3, warmup_steps=2, schedule="cosine", weight_decay=0.05, beta2=0.95),
        mcq_json="",
        mcq_shards="",
        max_steps=STEPS,
    )


@pytest.fixture(scope="module")
def straight(small, tmp_path_factory):
    """A run without a stop."""
    config = replace(small, out=str(tmp_path_factory.mktemp("straight") / "run"))
    assert run(config).before == {}
    return config


@pytest.mark.slow
def test_the_loss_falls(small, tmp_path):
    """To that of gray, 1: the tests' picture is of random squares, of which nobody can tell the hidden ones."""
    run(replace(small, out=str(tmp_path / "run"), epochs=10, max_steps=40, checkpoint_every=40))
    losses = [loss for (loss,) in rows(tmp_path / "run", "loss")]
    assert np.mean(losses[:5]) > 1.04
    assert np.mean(losses[-5:]) < 1.01


@pytest.mark.slow
def test_stopped_and_resumed_equals_unbroken_to_the_bit(straight, small, tmp_path):
    broken = replace(small, out=str(tmp_path / "broken"))
    with pytest.raises(Stop):
        run(broken, stop_at=5)
    run(broken, resume=True)
    assert rows(tmp_path / "broken", *COLUMNS) == rows(Path(straight.out), *COLUMNS)
    ours, theirs = saved(tmp_path / "broken", STEPS, tmp_path), saved(Path(straight.out), STEPS, tmp_path)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(straight, small, tmp_path):
    together(2, run, replace(small, out=str(tmp_path / "two")))
    one, two = rows(Path(straight.out), "loss"), rows(tmp_path / "two", "loss")
    assert two == [[pytest.approx(loss, rel=1e-4)] for (loss,) in one]


def test_a_batch_in_parts_gives_the_same_losses(straight, small, tmp_path):
    run(replace(small, out=str(tmp_path / "parts"), micro_batches=2))
    one, parts = rows(Path(straight.out), "loss"), rows(tmp_path / "parts", "loss")
    assert parts == [[pytest.approx(loss, rel=1e-4)] for (loss,) in one]


def test_a_clip_hides_the_same_in_every_batch_of_an_epoch_and_other_places_in_the_next(small):
    ranks = Ranks(0, 1, torch.device("cpu"), False)
    data = open_stream(small, ranks)
    system, batch, masks = build_system(small, data, ranks), next(iter(data)), []

    def network(frames, visible, masked):
        masks.append(masked)
        return torch.zeros(()), None

    half = replace(
        batch, **{n: getattr(batch, n)[2:] for n in ("frames", "texts", "verbs", "nouns", "valid", "sample", "source")}
    )
    for part, epoch in ((batch, 0), (half, 0), (batch, 1)):
        system.losses(network, part, StepRng(0, epoch, len(part)))
    assert torch.equal(masks[0][2:], masks[1])
    assert not torch.equal(masks[0], masks[2])
    assert len({tuple(mask.tolist()) for mask in masks[0]}) > 1
    data.close()


def lines_of(config, **more):
    """The lines of progress that a run says."""
    said = []
    train(config, say=said.append, **more)
    return [line for line in said if line.startswith("step ")], [line for line in said if "look at no clip" in line]


@pytest.mark.slow
def test_lines_have_the_losses_of_guesses_beside_them(small, tmp_path):
    """The same on any number of ranks, and where a run goes on."""
    config = replace(small, out=str(tmp_path / "run"), max_steps=2)
    lines, [told] = lines_of(config)
    place, both = re.findall(r"mean_of_place(?:_and_time)? (\d\.\d{4})", told)
    assert len(lines) == 2
    for line in lines:
        assert f"(mean_of_place {place}, mean_of_place_and_time {both})" in line
    assert 0.5 < float(both) <= float(place) * 1.1 < 1.2
    wide = replace(small, out=str(tmp_path / "wide"), max_steps=3, checkpoint_every=2)
    lines, [before] = lines_of(wide)
    with pytest.raises(Stop):
        run(replace(wide, out=str(tmp_path / "broken")), stop_at=3)
    _, [after] = lines_of(replace(wide, out=str(tmp_path / "broken")), resume=True)
    assert before == after
    together(2, say_into, replace(config, out=str(tmp_path / "two")), tmp_path / "said")
    assert told in (tmp_path / "said").read_text()


def say_into(config, path):
    def say(line):
        with path.open("a") as file:
            file.write(line + "\n")

    train(config, say=say)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mcq_json": "egomcq.json", "mcq_shards": "shards"}, "leave out --mcq-json"),
        ({"data": replace(PRESETS["videomae"], frames=2, size=32, workers=0)}, "data.frames=2"),
        ({"data": replace(PRESETS["videomae"], frames=4, size=64, workers=0)}, "image is 32"),
        ({"model": replace(VideoMAEConfig.tiny(), patch=12)}, "do not divide into cubes"),
        ({"model": replace(VideoMAEConfig.tiny(), mask_ratio=1.0)}, "16 of 16 places hidden"),
    ],
)
def test_a_mistake_is_one_line(small, tmp_path, change, words):
    with pytest.raises(InputError, match=words) as raised:
        run(replace(small, **{"out": str(tmp_path / "run")} | change))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_the_published_recipe():
    config = RECIPES["videomae"]()
    optimizer = config.optimizer
    assert (config.batch_size, config.epochs, config.model.mask_ratio) == (1024, 800, 0.9)
    assert (optimizer.kind, optimizer.beta1, optimizer.beta2, optimizer.weight_decay) == ("adamw", 0.9, 0.95, 0.05)
    steps = 10  # an epoch's
    rates = [learning_rate(optimizer, step, 800 * steps, steps) for step in (0, 399, 7999)]
    assert rates == pytest.approx([6e-4 / 400, 6e-4, 4e-5], rel=1e-3)
    assert (config.data.frames, config.data.size, config.data.pick) == (16, 224, "stride-1")


@pytest.mark.slow
@pytest.mark.parametrize("mask", ["random", "frame"])
def test_other_masks_are_a_setting(small, tmp_path, mask):
    config = replace(small, model=replace(small.model, mask=mask), max_steps=1, out=str(tmp_path / "run"))
    assert run(config).steps == 1
    assert read_run(tmp_path / "run", []).model.mask == mask


def test_a_picture_shows_what_a_run_fills_in(straight, tmp_path):
    with pytest.raises(SystemExit) as left:
        main(["show", straight.shards[0], "0", "--run", straight.out, "--out", str(tmp_path / "filled.png")])
    assert not left.value.code
    with Image.open(tmp_path / "filled.png") as picture:
        assert picture.size == (4 * LEAST_PX, 3 * (LEAST_PX + CAPTION_PX))
        frames, hidden, filled = (
            np.asarray(picture)[bottom - LEAST_PX : bottom]
            for bottom in range(LEAST_PX + CAPTION_PX, picture.height + 1, LEAST_PX + CAPTION_PX)
        )
    seen = (frames == hidden).all(-1)
    assert 0.05 < seen.mean() < 0.6
    assert (filled[seen] == frames[seen]).all()
    assert not (filled[~seen] == hidden[~seen]).all()
