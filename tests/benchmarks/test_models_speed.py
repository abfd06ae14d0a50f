"""What the speed of the models is measured against computes the same; how memory is counted."""

import pytest
import torch

from benchmarks.models_speed import Case, distilbert, egovlpv2, measure, peak_bytes, roberta, video
from egocurate.models.egovlpv2.config import EgoVLPv2Config
from egocurate.models.layers.configs import RobertaTextConfig, TextConfig, VideoConfig

torch.set_num_threads(1)
VIDEO = VideoConfig(image=32, patch=16, max_frames=2, width=24, depth=2, heads=3)
TEXT = {"vocab": 40, "width": 24, "depth": 2, "heads": 3, "max_tokens": 16, "dropout": 0.0}
V2 = EgoVLPv2Config(video=VIDEO, text=RobertaTextConfig(**TEXT), fused_layers=1, projection=8)


@pytest.mark.parametrize(
    "build",
    [
        lambda: video(VIDEO, 2),
        lambda: egovlpv2(V2, 4),
        lambda: roberta(RobertaTextConfig(**TEXT), 3, "eager"),
        lambda: distilbert(TextConfig(**TEXT), 3, "sdpa"),
    ],
    ids=["video", "egovlpv2", "roberta", "distilbert"],
)
def test_both_sides_give_the_same_loss(build):
    torch.manual_seed(0)
    step, other = build()
    torch.testing.assert_close(step(), other(), rtol=1e-5, atol=0)


def test_peak_memory_is_of_tensors_alive_at_once():
    x = torch.ones(1000, requires_grad=True)
    x.grad = torch.zeros(1000)
    assert peak_bytes(lambda: x.exp().sum()) == pytest.approx(
        4000 + 4000, abs=200
    )  # the result is kept for the gradient


def test_ratio_is_above_one_where_ours_is_faster():
    x = torch.ones(200, 200, requires_grad=True)
    case = Case("power", "twenty", lambda: (lambda: (x @ x).sum(), lambda: torch.linalg.matrix_power(x, 2**20).sum()))
    ratio, *_ = measure([case], rounds=1)
    assert ratio["what"] == "power: time of twenty / ours"
    assert ratio["value"] > 1
