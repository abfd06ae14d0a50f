"""Attention within CUDA's limits: positions that share a group, batches in parts, and what the base recipes ask for."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from egocurate.models.counting import FlopCounter
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.egovlpv2.model import EgoVLPv2
from egocurate.models.layers import attention as subject
from egocurate.models.layers.attention import attention, rows_at_once
from egocurate.models.layers.divided_attention import divided_attention, positions_together
from egocurate.models.videomae.model import VideoMAE, draw_mask
from egocurate.models.videoprism.distillation import Student
from egocurate.models.videoprism.encoder import FactorizedEncoder
from egocurate.models.videoprism.model import VideoPrism
from egocurate.training.config.recipes import RECIPES

torch.set_num_threads(1)
CPU, GPU = torch.device("cpu"), torch.device("cuda")
PARTS = ("encoder", "text")
COMMON = (1, 2, 3, 4, 8, 16)  # frames that recipes have


def one_position_at_a_time(q, k, v, frames):
    """[CLS] sees all; a patch sees [CLS] and its own position, each in a call of its own."""
    patches = (q.shape[2] - 1) // frames
    out = torch.empty_like(q)
    out[:, :, :1] = F.scaled_dot_product_attention(q[:, :, :1], k, v)
    for place in range(patches):
        own = torch.arange(frames) * patches + place + 1
        keys = torch.cat([torch.zeros(1, dtype=torch.long), own])
        out[:, :, own] = F.scaled_dot_product_attention(q[:, :, own], k[:, :, keys], v[:, :, keys])
    return out


@pytest.mark.parametrize("device", [CPU, GPU])
@pytest.mark.parametrize(("frames", "patches"), [(4, 14), (4, 9), (4, 13), (3, 6), (16, 4), (70, 2)])
def test_positions_in_one_group_do_not_see_each_other(frames, patches, device, monkeypatch):
    """The groups of a GPU give on a CPU what single positions give, and so do their gradients."""
    together = positions_together(patches, frames, device)
    monkeypatch.setattr("egocurate.models.layers.divided_attention.positions_together", lambda *_: together)
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 1 + frames * patches, 8, requires_grad=True) for _ in range(3))
    found = divided_attention(q, k, v, frames, "time")
    expected = one_position_at_a_time(q.detach(), k.detach(), v.detach(), frames)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    gradients = torch.autograd.grad((found * weight).sum(), (q, k, v))
    inputs = [x.detach().double().requires_grad_() for x in (q, k, v)]
    exact = torch.autograd.grad((one_position_at_a_time(*inputs, frames) * weight.double()).sum(), inputs)
    for ours, theirs in zip(gradients, exact, strict=True):
        torch.testing.assert_close(ours.double(), theirs, atol=2e-5, rtol=1e-4)


def test_a_group_fills_a_tile_of_the_gpu_and_is_short_on_a_cpu():
    assert [positions_together(196, frames, GPU) for frames in COMMON] == [49, 28, 14, 14, 7, 4]
    assert [positions_together(196, frames, CPU) for frames in COMMON] == [14, 7, 4, 4, 2, 1]
    assert positions_together(169, 4, GPU) == 13
    assert positions_together(197, 4, GPU) == 1  # a prime number


def test_work_is_that_of_the_pairs_that_see_each_other():
    q = torch.randn(2, 3, 1 + 4 * 14, 8)
    with FlopCounter() as counter:
        divided_attention(q, q, q, 4, "time")
    assert positions_together(14, 4, CPU) == 2  # below: scores and values, two for a multiply-add
    assert counter.flops == pytest.approx(2 * 2 * 2 * 3 * 8 * (14 * 4 * 5 + 57))


@pytest.mark.parametrize("mask", [None, (3, 5), (7, 1, 1, 5), (1, 1, 3, 5)])
def test_a_batch_beyond_the_limit_goes_in_parts(mask, monkeypatch):
    torch.manual_seed(0)
    q, k, v = torch.randn(7, 2, 3, 4), torch.randn(7, 2, 5, 4), torch.randn(7, 2, 5, 4)
    mask = None if mask is None else torch.rand(mask) < 0.7
    if mask is not None:
        mask[..., 0] = True
    expected = attention(q, k, v, mask)
    rows = []
    real = F.scaled_dot_product_attention
    monkeypatch.setattr(F, "scaled_dot_product_attention", lambda q, *a, **k: rows.append(len(q)) or real(q, *a, **k))
    monkeypatch.setattr(subject, "MOST_ROWS", 3)
    torch.testing.assert_close(attention(q, k, v, mask), expected)
    assert rows == [3, 3, 1]


def test_the_limit_is_that_of_the_grid_or_that_of_the_elements():
    assert rows_at_once(torch.empty(1, 12, 4, 64, device="meta")) == (2**31 - 1) // (12 * 128 * 64)
    assert rows_at_once(torch.empty(1, 2, 4, 8, device="meta")) == 65_535
    assert rows_at_once(torch.empty(1, 2**26, 128, 64, device="meta")) == 1


def steps(name):
    """Run what of a base recipe's model has attention, for the whole batch on one device, without memory for it."""
    config = RECIPES[name]()
    rows, data = config.batch_size * (2 if config.data.negatives else 1), config.data
    frames = torch.empty(rows, data.frames, 3, data.size, data.size)
    ids = torch.zeros(rows, 32, dtype=torch.int64)
    if name == "egovlp":
        EgoVLP(config.model.base())(ids, torch.ones_like(ids), frames)
    elif name == "egovlpv2":
        model = EgoVLPv2(config.model.base())
        model.encode_video(frames)
        model.match(model.lower_video(frames), model.lower_text(ids, torch.ones_like(ids)))
    elif name == "videomae":
        VideoMAE(config.model)(frames, *draw_mask(config.model, torch.rand(rows, config.model.places)))
    elif name == "videoprism-stage2":
        student, places = Student(FactorizedEncoder(config.model.encoder), config.model.decoder), 90
        order = torch.zeros(rows, data.frames * config.model.encoder.places, dtype=torch.int64)
        student(frames, torch.zeros(rows, places, dtype=torch.int64), order)
    else:
        # Its own attention, with a cap, has no kernel; without the cap it has those of the others.
        free = replace(config.model, **{part: replace(getattr(config.model, part), cap=0.0) for part in PARTS})
        VideoPrism(free)(ids, torch.ones_like(ids), frames, torch.zeros(rows, 128, dtype=torch.int64))


@pytest.mark.parametrize("name", ["egovlp", "egovlpv2", "videomae", "videoprism-stage1", "videoprism-stage2"])
def test_no_call_of_a_base_recipe_is_beyond_what_cuda_takes(name, monkeypatch):
    """Of the whole batch on one GPU: rows of a call, and elements that flash attention's backward pass numbers."""
    calls = []
    real = F.scaled_dot_product_attention

    def noted(q, k, v, **settings):
        calls.append((len(q), q.shape[1] * -(-q.shape[2] // 128) * 128 * max(q.shape[3], 32) * len(q)))
        return real(q, k, v, **settings)

    monkeypatch.setattr(F, "scaled_dot_product_attention", noted)
    on_gpu = partial(positions_together, device=GPU)
    monkeypatch.setattr("egocurate.models.layers.divided_attention.positions_together", lambda n, t, _: on_gpu(n, t))
    with torch.device("meta"):
        steps(name)
    rows, elements = map(max, zip(*calls, strict=True))
    assert rows <= 65_535
    assert elements < 2**31
