"""What decays, and how fast steps are."""

import pytest
import torch
from torch import nn

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.training.config.adafactor import Adafactor
from egocurate.training.config.optimizer import OptimizerConfig, build_optimizer, learning_rate

torch.set_num_threads(1)


def meta_model():
    with torch.device("meta"):
        return EgoVLP(EgoVLPConfig.small())


def names_in(model, optimizer):
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        (group["weight_decay"], group["rate"]): {names[id(p)] for p in group["params"]}
        for group in optimizer.param_groups
    }


def test_only_matrices_decay():
    model = meta_model()
    groups = names_in(model, build_optimizer(model, OptimizerConfig(weight_decay=0.1)))
    pulled, free = groups[0.1, 1.0], groups[0.0, 1.0]
    assert pulled | free == {name for name, _ in model.named_parameters()}
    assert not pulled & free
    for name in ("video.blocks.0.attn.qkv.weight", "video.patch_embed.proj.weight", "vid_proj.weight"):
        assert name in pulled
    for name in ("video.pos_embed", "video.cls_token", "video.norm.weight", "txt_proj.1.bias"):
        assert name in free
    assert any("word_embeddings" in name for name in free)
    assert any("position_embeddings" in name for name in free)


def test_new_parts_have_a_rate_of_their_own_and_frozen_ones_none():
    model = meta_model()
    model.video.requires_grad_(False)
    config = OptimizerConfig(lr=3e-5, new_lr=12e-5, weight_decay=0.1)
    groups = names_in(model, build_optimizer(model, config, ("vid_proj", "txt_proj")))
    assert groups[0.1, 4.0] == {"vid_proj.weight", "txt_proj.1.weight"}
    assert groups[0.0, 4.0] == {"vid_proj.bias", "txt_proj.1.bias"}
    assert not any(name.startswith("video.") for names in groups.values() for name in names)


def test_adafactor_takes_the_same_groups():
    model = EgoVLP(EgoVLPConfig.small())
    optimizer = build_optimizer(model, OptimizerConfig(kind="adafactor", lr=1e-3, weight_decay=0.1))
    assert names_in(model, optimizer).keys() == {(0.1, 1.0), (0.0, 1.0)}


def test_adafactor_steps_as_pytorchs_and_asks_the_device_for_nothing(monkeypatch):
    """Matrices, vectors and stacks; small and large gradients, so that steps are cut and are not."""
    torch.manual_seed(0)
    starts = [torch.randn(5, 7), torch.randn(3), torch.randn(2, 4, 3) * 1e-4, torch.zeros(6, 2), torch.randn(())]
    ours, theirs = ([nn.Parameter(start.clone()) for start in starts] for _ in range(2))
    settings = {"lr": 0.03, "weight_decay": 0.1}
    optimizers = Adafactor(ours, **settings), torch.optim.Adafactor(theirs, **settings, foreach=False)
    for step in range(4):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape) * 10 ** (step - 2)
            other.grad = one.grad.clone()
        optimizers[1].step()
        asked = []
        real = torch.Tensor.item
        monkeypatch.setattr(torch.Tensor, "item", lambda x, real=real, asked=asked: asked.append(x) or real(x))
        optimizers[0].step()
        monkeypatch.undo()
        steps = [state["step"] for state in optimizers[0].state.values()]
        assert all(any(x is step for step in steps) for x in asked)  # which are on the host anyway
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    first, second = (optimizer.state_dict()["state"] for optimizer in optimizers)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("cosine", [0.5, 1.0, 1.0, 0.8682, 0.55, 0.2318]),
        ("linear", [0.5, 1.0, 1.0, 0.775, 0.55, 0.325]),
    ],
)
def test_rate_rises_and_falls(schedule, expected):
    for warmup in ({"warmup_steps": 2}, {"warmup_epochs": 0.5}):
        config = OptimizerConfig(lr=1.0, schedule=schedule, final_lr=0.1, **warmup)
        assert [learning_rate(config, step, 6, 4) for step in range(6)] == pytest.approx(expected, abs=1e-4)
