"""Layer decay and drop path: how far a parameter is from the scores, and what is left out of which block."""

import pytest
import torch

from egocurate.models.classifier.config import ClassifierConfig
from egocurate.models.classifier.layers import layers_above
from egocurate.models.classifier.model import Classifier
from egocurate.models.layers.configs import VideoConfig
from egocurate.models.layers.drop_path import branch_scales
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.models.videoprism.config import EncoderConfig
from egocurate.training.config.optimizer import OptimizerConfig, build_optimizer

VIDEO = VideoConfig(image=32, patch=16, width=32, depth=2, heads=2)
PRISM = EncoderConfig(image=32, patch=16, frames=4, width=32, depth=2, time_depth=1, heads=2, hidden=64)
FROM_BELOW = {
    "videomae": (VideoMAEConfig.tiny(), [{"patch_embed"}, {"blocks.0"}, {"blocks.1"}, {"norm", "pool", "scores"}]),
    "egovlp": (
        VIDEO,
        [
            {"patch_embed", "cls_token", "pos_embed", "temporal_embed"},
            {"blocks.0"},
            {"blocks.1"},
            {"norm", "pool", "scores"},
        ],
    ),
    "videoprism": (
        PRISM,
        [
            {"patch_embed", "pos_embed"},
            {"space.0"},
            {"space.1", "space_norm", "temporal_embed"},
            {"time.0"},
            {"time_norm", "norm", "pool", "scores"},
        ],
    ),
}


@pytest.mark.parametrize("kind", FROM_BELOW)
def test_each_layer_steps_at_its_share_of_the_rate_above(kind):
    sizes, groups = FROM_BELOW[kind]
    model = Classifier(ClassifierConfig(sizes, "map", head_channels=16), {"label": 3})
    config = OptimizerConfig(lr=1.0, layer_decay=0.75)
    optimizer = build_optimizer(model, config, layers_above=lambda name: layers_above(name, sizes))
    rate = {id(one): group["rate"] for group in optimizer.param_groups for one in group["params"]}
    for name, parameter in model.named_parameters():
        part = ".".join(name.removeprefix("backbone.").split(".")[:2])
        place = next(i for i, group in enumerate(groups) if part in group or part.partition(".")[0] in group)
        assert rate[id(parameter)] == pytest.approx(0.75 ** (len(groups) - 1 - place)), name


def test_branches_drop_more_often_the_higher_they_are():
    noise = torch.rand(20_000, 5, 2, generator=torch.Generator().manual_seed(0))
    scales = branch_scales(noise, 0.4)
    dropped = (scales == 0).float().mean((0, 2))
    torch.testing.assert_close(dropped, torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4]), atol=0.01, rtol=0)
    torch.testing.assert_close(scales.mean((0, 2)), torch.ones(5), atol=0.02, rtol=0)


def test_a_dropped_block_is_not_there():
    torch.manual_seed(0)
    model = Classifier(ClassifierConfig(VideoMAEConfig.tiny()), {"label": 3}).eval()
    frames = torch.randn(2, 4, 3, 32, 32)
    ones = torch.ones(2, 2, 2)
    torch.testing.assert_close(model(frames, ones)["label"], model(frames)["label"])
    without = ones.clone()
    without[1, 0] = 0  # the first block of the second clip
    found = model(frames, without)["label"]
    torch.testing.assert_close(found[0], model(frames)["label"][0])
    model.backbone.blocks = model.backbone.blocks[1:]
    torch.testing.assert_close(found[1], model(frames)["label"][1])


def test_only_videomae_drops_blocks():
    with pytest.raises(ValueError, match="only VideoMAE's blocks"):
        Classifier(ClassifierConfig(VIDEO, drop_path=0.1), {"label": 3})
