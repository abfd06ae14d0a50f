"""Both towers of the dual encoders compile without a break: fullgraph raises at the first one."""

import pytest
import torch

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.layers.configs import RobertaTextConfig, TextConfig, VideoConfig

torch.set_num_threads(1)
VIDEO = VideoConfig(image=16, patch=8, max_frames=2, width=12, depth=2, heads=3)
TEXT = {"vocab": 40, "width": 12, "depth": 2, "heads": 3, "max_tokens": 10, "dropout": 0.0}
JOINT = VideoConfig(image=16, patch=8, max_frames=2, width=12, depth=2, heads=3, attention="joint")
MODELS = {
    "egovlp": lambda: EgoVLP(EgoVLPConfig(video=VIDEO, text=TextConfig(**TEXT), projection=8)),
    "egovlp-joint": lambda: EgoVLP(EgoVLPConfig(video=JOINT, text=TextConfig(**TEXT), projection=8)),
    "egovlpv2": lambda: EgoVLPv2(
        EgoVLPv2Config(video=VIDEO, text=RobertaTextConfig(**TEXT), fused_layers=1, projection=8)
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_towers_are_one_graph_each(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    ids, mask = torch.randint(5, 40, (3, 6)), torch.ones(3, 6, dtype=torch.long)
    mask[0, 4:] = 0
    paths = ((model.encode_video, (torch.randn(3, 2, 3, 16, 16),)), (model.encode_text, (ids, mask)))
    for encode, inputs in paths:
        expected = encode(*inputs)
        found = torch.compile(encode, fullgraph=True, backend="aot_eager")(*inputs)
        torch.testing.assert_close(found, expected)
        gradients = [
            torch.autograd.grad(out.square().sum(), model.parameters(), allow_unused=True, materialize_grads=True)
            for out in (found, expected)
        ]
        torch.testing.assert_close(*gradients)
