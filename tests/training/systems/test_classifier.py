"""Classifiers: they learn labels, are tested on labeled shards, and are used again from their folder alone."""

from dataclasses import replace

import pytest
import torch

from egocurate.errors import InputError
from egocurate.labels import UNKNOWN
from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.model import Classifier, clip_tokens
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.layers.configs import TextConfig, VideoConfig
from egocurate.models.layers.video_tower import VideoTower
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.models.weights import replace_prefix
from egocurate.progress import silent
from egocurate.shards.read.index import ShardIndex
from egocurate.training.config.loss_configs import Classification
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.run.start_sizes import with_sizes_of_start
from egocurate.training.step.batches import open_stream
from egocurate.training.step.blank_batch import blank_batch
from egocurate.training.systems.classifier import ClassifierSystem
from egocurate.training.systems.initial_weights import load_tower
from egocurate.training.tasks.classification import ClassificationEvaluator
from tests.training.runs import Stop, rows, run

HERE = Ranks(0, 1, torch.device("cpu"), False)
VIDEO = VideoConfig(image=32, patch=16, width=32, depth=2, heads=2)
PRISM = EncoderConfig(image=32, patch=16, frames=4, width=32, depth=1, time_depth=1, heads=2, hidden=64)


@pytest.mark.parametrize("backbone", [VIDEO, PRISM, VideoMAEConfig.tiny()])
@pytest.mark.parametrize("head", ["mean", "map"])
def test_scores_of_each_kind_of_label(backbone, head):
    model = Classifier(ClassifierConfig(backbone, head, head_channels=16), {"verb": 3, "noun": 5})
    scores = model(torch.randn(2, 4, 3, 32, 32))
    assert {kind: tuple(part.shape) for kind, part in scores.items()} == {"verb": (2, 3), "noun": (2, 5)}


def test_a_frozen_backbone_has_no_gradient_and_drops_nothing():
    model = Classifier(ClassifierConfig(VIDEO, "map", head_channels=16, frozen=True), {"verb": 3}).train()
    model(torch.randn(2, 4, 3, 32, 32))["verb"].sum().backward()
    assert all(one.grad is None and not one.requires_grad for one in model.backbone.parameters())
    assert model.scores["verb"].weight.grad is not None
    assert not model.backbone.training


def test_the_heads_first_weights_are_scaled():
    drawn = []
    for scale in (1.0, 0.001):
        torch.manual_seed(0)
        drawn.append(Classifier(ClassifierConfig(VIDEO, head_scale=scale), {"verb": 3}).scores["verb"].weight)
    torch.testing.assert_close(drawn[1], drawn[0] * 0.001)


def test_cls_is_the_token_that_the_tower_gives():
    model = Classifier(ClassifierConfig(VIDEO, "cls"), {"verb": 3}).eval()
    frames = torch.randn(2, 4, 3, 32, 32)
    torch.testing.assert_close(clip_tokens(model.backbone, frames)[:, 0], model.backbone(frames))
    with pytest.raises(ValueError, match="no \\[CLS\\]"):
        Classifier(ClassifierConfig(PRISM, "cls"), {"verb": 3})


@pytest.fixture
def data(labeled):
    """Shards of labeled motions."""
    return labeled


def config_of(data, out, **changes):
    tiny = VideoMAEConfig(
        image=32, patch=16, frames=4, width=32, depth=1, heads=2, decoder_width=32, decoder_depth=1, decoder_heads=2
    )
    recipe = RECIPES["videomae-tune-tiny"]()
    base = replace(
        recipe,
        model=replace(recipe.model, backbone=tiny),
        data=replace(recipe.data, size=32, frames=4, workers=0),
        shards=(str(data / "train"),),
        test_shards=str(data / "test"),
        out=str(out),
        batch_size=8,
        max_steps=4,
        eval_every=2,
        checkpoint_every=2,
        device="cpu",
    )
    return replace(base, **changes)


def test_a_run_is_tested_and_used_from_its_folder_alone(data, tmp_path):
    config = config_of(data, tmp_path / "run")
    result = run(config)
    assert set(result.after) == {"top1", "top5", "mean_class", "recall5"}
    assert [row for row in rows(tmp_path / "run", "step", "test_top1") if row[1] is not None][-1][0] == 4

    found = read_run(tmp_path / "run", [])
    assert found.model == config.model
    system, step = restore(replace(found, shards=()), HERE)
    assert step == 4
    assert system.label_names == ShardIndex.open(str(data / "train")).label_names
    scores = system.logits(torch.zeros(1, 4, 3, 32, 32, dtype=torch.uint8))["label"]
    assert scores.shape == (1, len(system.label_names["label"]))
    tested = ClassificationEvaluator(replace(found, test_shards=str(data / "test")), system, HERE, silent)
    assert tested.evaluate() == (result.after, [])


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_losses(data, tmp_path):
    whole, stopped = (config_of(data, tmp_path / name, log_every=1) for name in ("whole", "stopped"))
    run(whole)
    with pytest.raises(Stop):
        run(stopped, stop_at=3)
    run(stopped, resume=True)
    assert rows(tmp_path / "stopped", "step", "loss", "test_top1") == rows(
        tmp_path / "whole", "step", "loss", "test_top1"
    )


def test_it_starts_from_a_pretrained_run_in_the_sizes_of_that(data, tmp_path):
    tiny = config_of(data, tmp_path / "tuned").model.backbone
    pretraining = RECIPES["videomae-tiny"]()
    pretrained = replace(
        pretraining,
        model=tiny,
        data=replace(pretraining.data, size=32, frames=4, workers=0),
        shards=(str(data / "train"),),
        out=str(tmp_path / "pretrained"),
        batch_size=8,
        max_steps=1,
        device="cpu",
    )
    run(pretrained)
    recipe = replace(RECIPES["videomae-tune-tiny"](), start=str(tmp_path / "pretrained"))
    sized = with_sizes_of_start(recipe)
    assert (sized.model.backbone, sized.data.size, sized.data.frames) == (tiny, 32, 4)

    config = config_of(data, tmp_path / "tuned", start=recipe.start)
    system = ClassifierSystem(config, open_stream(config, HERE), HERE)
    system.load_initial_weights(config)
    learned = restore(read_run(tmp_path / "pretrained", []), HERE)[0].model.encoder
    learned.norm = torch.nn.Identity()  # the mean has its own, which is drawn
    assert_same(system.model.backbone, learned)

    with pytest.raises(InputError, match="a videomae, and this recipe tunes a egovlp"):
        with_sizes_of_start(replace(recipe, model=replace(recipe.model, backbone=VIDEO)))


def test_weights_of_a_release_start_the_tower_alone(data, tmp_path):
    model = EgoVLP(EgoVLPConfig(VIDEO, TextConfig(vocab=50, width=32, depth=1, heads=2), projection=16))
    torch.save({"state_dict": egovlp_names(model)}, tmp_path / "EgoVLP.pth")
    tower = VideoTower(model.config.video)
    load_tower(tower, str(tmp_path / "EgoVLP.pth"))
    assert_same(tower, model.video)

    state = egovlp_names(model)
    state.pop("video_model.blocks.0.attn.qkv.weight")
    torch.save({"state_dict": state}, tmp_path / "part.pth")
    with pytest.raises(InputError, match=r"not blocks\.0\.attn\.qkv\.weight|not video\.blocks\.0\.attn\.qkv\.weight"):
        load_tower(tower, str(tmp_path / "part.pth"))


def test_a_label_that_is_not_known_adds_nothing(data, tmp_path):
    config = config_of(data, tmp_path / "run")
    system = ClassifierSystem(config, open_stream(config, HERE), HERE)
    batch = blank_batch(config, 4, (0, 0), HERE.device)
    known = replace(batch, labels={"label": torch.tensor([0, 1, 2, 3])})
    half = replace(batch, labels={"label": torch.tensor([0, 1, UNKNOWN, UNKNOWN])})
    rest = replace(batch, labels={"label": torch.tensor([UNKNOWN, UNKNOWN, 2, 3])})
    whole, *parts = (system.losses(system.model, one, None)["loss"] for one in (known, half, rest))
    torch.testing.assert_close(sum(parts), whole)


def test_what_does_not_fit_is_one_line(data, tmp_path):
    with pytest.raises(InputError, match="no label verb: there are label"):
        config = config_of(data, tmp_path / "a", objective=Classification(labels=("verb",)))
        ClassifierSystem(config, open_stream(config, HERE), HERE)
    with pytest.raises(InputError, match="a frozen backbone learns nothing"):
        base = config_of(data, tmp_path / "b")
        run(replace(base, model=replace(base.model, frozen=True)))
    with pytest.raises(InputError, match="there is no such file; take the folder of the run"):
        restore_without_labels(data, tmp_path)


def test_a_test_that_numbers_classes_otherwise_is_refused(data, tmp_path):
    system = ClassifierSystem(config_of(data, tmp_path / "run"), open_stream(config_of(data, "x"), HERE), HERE)
    system.label_names = {"label": list(reversed(system.label_names["label"]))}
    with pytest.raises(InputError, match="numbers the classes of label otherwise"):
        ClassificationEvaluator(config_of(data, tmp_path / "run"), system, HERE, silent)


def restore_without_labels(data, tmp_path):
    config = config_of(data, tmp_path / "gone", max_steps=1)
    run(config)
    (tmp_path / "gone" / "labels.json").unlink()
    restore(read_run(tmp_path / "gone", []), HERE)


def egovlp_names(model):
    """The tensors of an EgoVLP as its authors name them."""
    names = (("video.", "video_model."), ("text.model.", "text_model."), ("vid_proj.", "vid_proj.0."))
    return {replace_prefix(name, dict(names)): value for name, value in model.state_dict().items()}


def assert_same(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
