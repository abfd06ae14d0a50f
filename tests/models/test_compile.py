"""Both towers of the dual encoders compile without a break: fullgraph raises at the first one."""

import pytest
import torch

from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.egovlpv2.model import Clips, EgoVLPv2, Texts
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


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_towers_are_one_graph_each(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    ids, mask = torch.randint(5, 40, (3, 6)), torch.ones(3, 6, dtype=torch.long)
    mask[0, 4:] = 0
    frames = torch.randn(3, 2, 3, 16, 16)
    paths = ((model.encode_video, (frames,)), (model.encode_text, (ids, mask)))
    for encode, inputs in paths:
        expected = encode(*inputs)
        found = torch.compile(encode, fullgraph=True, backend="aot_eager")(*inputs)
        torch.testing.assert_close(found, expected)
        gradients = [
            torch.autograd.grad(out.square().sum(), model.parameters(), allow_unused=True, materialize_grads=True)
            for out in (found, expected)
        ]
        torch.testing.assert_close(*gradients)


@pytest.mark.slow
def test_all_that_egovlpv2_runs_is_graphs():
    """Its training step is three of them, each whole, with the losses between and after them."""
    torch.manual_seed(0)
    model = MODELS["egovlpv2"]()
    ids, mask, frames = torch.randint(5, 40, (3, 6)), torch.ones(3, 6, dtype=torch.long), torch.randn(3, 2, 3, 16, 16)

    def step(lower_tokens, dual, fuse):
        tokens = lower_tokens(ids, mask, ids.flip(1), frames)
        text, video = dual(tokens, mask, 2)
        words, clip = fuse(Clips(tokens.fused, 2), Texts(tokens.masked, mask))
        return text.sum() + video.square().sum() + words.square().sum() + clip.sin().sum()

    methods = [getattr(model, name) for name in model.graphs]
    expected = step(*methods)
    found = step(*(torch.compile(method, fullgraph=True, backend="aot_eager") for method in methods))
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(out, model.parameters(), allow_unused=True, materialize_grads=True)
        for out in (found, expected)
    ]
    torch.testing.assert_close(*gradients)
