"""What decays, and how fast steps are."""

import pytest
import torch

from models.egovlp import EgoVLP, EgoVLPConfig
from models.optimiser import OptimiserConfig, adamw, learning_rate

torch.set_num_threads(1)


def test_only_matrices_decay():
    with torch.device("meta"):
        model = EgoVLP(EgoVLPConfig.small())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    pulled, free = (
        {names[id(p)] for p in group["params"]}
        for group in adamw(model, OptimiserConfig(weight_decay=0.1)).param_groups
    )
    assert pulled | free == set(names.values())
    assert not pulled & free
    for name in ("video.blocks.0.attn.qkv.weight", "video.patch_embed.proj.weight", "vid_proj.weight"):
        assert name in pulled
    for name in ("video.pos_embed", "video.cls_token", "video.norm.weight", "txt_proj.1.bias"):
        assert name in free
    assert any("word_embeddings" in name for name in free)
    assert any("position_embeddings" in name for name in free)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]), ("cosine", [0.5, 1.0, 1.0, 0.8535534, 0.5, 0.1464466])],
)
def test_rate_rises_and_falls(schedule, expected):
    config = OptimiserConfig(lr=1.0, warmup_steps=2, schedule=schedule)
    assert [learning_rate(config, step, 6) for step in range(6)] == pytest.approx(expected)
