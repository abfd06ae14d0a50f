"""Fine-tuning with all of its augmentation, from releases, and probes: on any ranks, and after a stop."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from egocurate.errors import InputError
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier
from egocurate.models.classifier.weights import LABEL
from egocurate.models.frozen.config import FrozenConfig
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.config.recipes import RECIPES
from egocurate.training.monitor.mfu import step_flops
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.start_sizes import with_sizes_of_start
from egocurate.training.step.batches import open_stream
from egocurate.training.step.fit_memory import measure
from egocurate.training.systems.classifier import ClassifierSystem
from egocurate.training.systems.step_rng import StepRng
from tests.models.frozen.tiny_encoders import needs_timm, write_encoder
from tests.training.ranks import together
from tests.training.run.test_load_release import tuned_names
from tests.training.runs import Stop, rows, run
from tests.training.systems.test_classifier import HERE, config_of

FIGURES = ("step", "loss", "test_top1", "test_mean_class")


def tuning_of(labeled, out, **changes):
    """A run with all that the published recipe has, in a small size."""
    config = config_of(labeled, out, log_every=1)
    published = RECIPES["videomae-tune"]()
    return replace(
        config,
        model=replace(config.model, backbone=replace(config.model.backbone, depth=2), drop_path=0.3),
        objective=replace(published.objective, test_segments=1, test_crops=1),
        optimizer=replace(config.optimizer, layer_decay=0.75),
        **changes,
    )


@pytest.fixture(scope="module")
def alone(labeled, tmp_path_factory):
    config = tuning_of(labeled, tmp_path_factory.mktemp("alone") / "run")
    run(config)
    return config


@pytest.mark.slow
def test_a_stopped_run_is_augmented_as_an_unbroken_one(labeled, alone, tmp_path):
    stopped = tuning_of(labeled, tmp_path / "stopped")
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    assert rows(tmp_path / "stopped", *FIGURES) == rows(Path(alone.out), *FIGURES)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "change"), [(2, {}), (1, {"micro_batches": 2})])
def test_two_ranks_and_micro_batches_are_augmented_as_one(labeled, alone, tmp_path, size, change):
    together(size, run, tuning_of(labeled, tmp_path / "run", **change))
    for ours, theirs in zip(rows(tmp_path / "run", *FIGURES), rows(Path(alone.out), *FIGURES), strict=True):
        assert ours[2:] == theirs[2:]
        assert [x or 0 for x in ours[:2]] == pytest.approx([x or 0 for x in theirs[:2]], rel=1e-5)


def test_epochs_steps_and_copies_differ(labeled, tmp_path):
    config = tuning_of(labeled, tmp_path / "run")
    data = open_stream(config, HERE)
    system, batch = ClassifierSystem(config, data, HERE), next(iter(data))

    def shown(epoch, step):
        return system.augmentation(batch, StepRng(0, epoch, len(batch), step), system.pixels)

    first = shown(0, 0)
    assert torch.equal(first.pixels, shown(0, 0).pixels)
    assert first.mixing == shown(1, 0).mixing != shown(0, 1).mixing
    assert not torch.equal(first.scales, shown(1, 0).scales)
    assert len(first.pixels) == 2 * len(batch)
    assert not torch.equal(*first.pixels.chunk(2))


def test_an_odd_micro_batch_is_one_line(labeled, tmp_path):
    with pytest.raises(InputError, match="in pairs, and a rank's micro-batch has 1"):
        run(tuning_of(labeled, tmp_path / "run", micro_batches=8))


def test_a_fine_tuned_release_is_a_start(labeled, tmp_path):
    sizes = VideoMAEConfig(image=32, patch=8, frames=4, width=128, depth=2, heads=2)
    released = Classifier(ClassifierConfig(sizes), {LABEL: 5})
    torch.save({"module": tuned_names(released)}, tmp_path / "tuned.pth")
    config = replace(config_of(labeled, tmp_path / "run"), start=str(tmp_path / "tuned.pth"))
    found = with_sizes_of_start(config).model.backbone
    assert (found.width, found.depth, found.heads, found.image, found.frames) == (128, 2, 2, 224, 16)
    config = replace(config, model=replace(config.model, backbone=sizes))
    system = ClassifierSystem(config, open_stream(config, HERE), HERE)
    system.load_initial_weights(config)
    for name, value in released.backbone.state_dict().items():
        assert torch.equal(system.model.backbone.state_dict()[name], value), name


@pytest.mark.slow
@pytest.mark.parametrize("head", ["map", "mean"])
def test_a_probe_learns_its_head_alone(labeled, tmp_path, head):
    start = tmp_path / "pretrained"
    pretraining = RECIPES["videomae-tiny"]()
    sizes = config_of(labeled, start).model.backbone
    common = {"shards": (str(labeled / "train"),), "batch_size": 8, "max_steps": 2, "device": "cpu"}
    small = replace(pretraining.data, size=32, frames=4, workers=0)
    run(replace(pretraining, model=sizes, data=small, out=str(start), **common))
    recipe = RECIPES["videomae-probe-tiny"]()
    recipe = replace(recipe, start=str(start), out=str(tmp_path / "probe"), test_shards=str(labeled / "test"), **common)
    config = with_sizes_of_start(replace(recipe, model=replace(recipe.model, head=head, head_channels=16)))
    config = replace(config, data=replace(config.data, workers=0))
    system = ClassifierSystem(config, open_stream(config, HERE), HERE)
    optimizer = build_optimizer(system.model, config.optimizer, system.new_parameters, system.layers_above)
    learned = {id(one) for group in optimizer.param_groups for one in group["params"]}
    names = {name.split(".")[0] for name, one in system.model.named_parameters() if id(one) in learned}
    assert names == {"norm", "scores"} | ({"pool"} if head == "map" else set())

    result = run(config)
    assert set(result.after) == {"top1", "top5", "mean_class", "recall5"}
    probed = restore(read_run(tmp_path / "probe", []), HERE)[0].model.backbone.state_dict()
    pretrained = restore(read_run(start, []), HERE)[0].model.encoder.state_dict()
    assert all(torch.equal(value, pretrained[name]) for name, value in probed.items())


@pytest.mark.parametrize("kind", ["dinov3_vit", pytest.param("pe_video", marks=needs_timm)])
def test_an_encoder_of_others_is_probed_and_used_from_the_run(labeled, tmp_path, kind):
    write_encoder(kind, tmp_path / "encoder")
    recipe = replace(
        RECIPES["encoder-probe-tiny"](),
        start=str(tmp_path / "encoder"),
        shards=(str(labeled / "train"),),
        test_shards=str(labeled / "test"),
        out=str(tmp_path / "probe"),
        batch_size=8,
        max_steps=2,
        checkpoint_every=1,
        device="cpu",
    )
    with pytest.raises(InputError, match=r"name its folder, --set start=FOLDER"):
        run(replace(recipe, start=""))
    config = with_sizes_of_start(recipe)
    assert config.model.backbone == FrozenConfig(str(tmp_path / "encoder"), kind)
    config = replace(config, data=replace(config.data, workers=0, frames=2))
    with pytest.raises(Stop):
        run(config, stop_at=1)
    result = run(config, resume=True)
    system, step = restore(read_run(tmp_path / "probe", []), HERE)
    assert (step, set(result.after)) == (2, {"top1", "top5", "mean_class", "recall5"})
    side = config.data.size
    assert system.logits(torch.zeros(1, 2, 3, side, side, dtype=torch.uint8))["label"].shape == (1, 6)
    with pytest.raises(InputError, match="a folder of transformers, and this recipe tunes a videomae"):
        with_sizes_of_start(replace(RECIPES["videomae-tune-tiny"](), start=str(tmp_path / "encoder")))


def test_the_published_recipes():
    kinetics, ssv2 = RECIPES["videomae-tune"](), RECIPES["videomae-tune-ssv2"]()
    assert kinetics.objective == Classification(
        *((), 0.1, 2, 4, 7.0, 0.25, 0.8, 1.0),
        test_segments=5,
        test_crops=3,
    )
    assert (kinetics.optimizer.lr, kinetics.optimizer.layer_decay, kinetics.model.drop_path) == (1e-3, 0.75, 0.1)
    assert (kinetics.epochs, kinetics.batch_size, kinetics.data.flip) == (75, 512, True)
    assert (ssv2.objective.test_segments, ssv2.data.pick, ssv2.data.flip, ssv2.epochs) == (
        *(2, "segments-random"),
        *(False, 40),
    )


def test_a_step_is_counted_and_its_memory_measured(labeled, tmp_path):
    """As a GPU's run does before its first step: on a few rows, which have labels too."""
    config = tuning_of(labeled, tmp_path / "run")
    data = open_stream(config, HERE)
    system, batch = ClassifierSystem(config, data, HERE), next(iter(data))
    step_rng = StepRng(0, 0, len(batch))
    half = replace(config, objective=replace(config.objective, repeats=1))
    once = step_flops(ClassifierSystem(half, data, HERE), batch, step_rng, HERE)
    assert step_flops(system, batch, step_rng, HERE) == pytest.approx(2 * once, rel=1e-6)
    assert measure(config, system, HERE, (0, 0)).anchor > 0
