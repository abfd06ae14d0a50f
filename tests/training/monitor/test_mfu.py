"""FLOPs of a step against benchmarks/model_counts.py and by hand."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from benchmarks.model_counts import egovlp_counts
from egocurate.loaders.batch import Batch
from egocurate.models.egovlp.config import EgoVLPConfig
from egocurate.models.egovlp.model import EgoVLP
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.monitor.mfu import peak_seconds, step_flops
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng

TOKENS = 15  # as benchmarks/model_counts.py takes


def alone(bf16=False):
    return Ranks(0, 1, torch.device("cpu"), bf16)


def blank(rows, frames, size):
    return Batch(
        frames=torch.zeros(rows, frames, 3, size, size, dtype=torch.uint8),
        texts=["moves cup"] * rows,
        verbs=torch.ones(rows, 3, dtype=torch.bool),
        nouns=torch.ones(rows, 3, dtype=torch.bool),
        valid=torch.ones(rows, dtype=torch.bool),
        sample=torch.arange(rows),
        source=torch.zeros(rows, dtype=torch.int64),
    )


class Towers(System):
    """EgoVLP's towers on texts of a fixed length."""

    def __init__(self, config):
        self.model = EgoVLP(config)

    def losses(self, network, batch, step_rng):
        ids = torch.ones(len(batch), TOKENS, dtype=torch.long, device=batch.frames.device)
        text, video = network(ids, torch.ones_like(ids), self.pixels(batch.frames))
        return {"loss": (text * video).sum()}


@pytest.mark.slow
def test_egovlp_at_its_published_size():
    """Three times the forward pass, two FLOPs a multiply-add."""
    [count] = [count for count in egovlp_counts(4) if count.name == "EgoVLP, 4 frames"]
    with torch.device("meta"):  # shapes alone
        system, batch = Towers(EgoVLPConfig.base()), blank(1, 4, 224)
    with FakeTensorMode(allow_non_fake_inputs=True):
        found = step_flops(system, batch, StepRng(0, 0, 1), alone())
    assert found == pytest.approx(6 * count.macs, rel=0.02)


class Layers(System):
    """A layer that learns on one that is frozen on one that learns, beside a teacher."""

    def __init__(self):
        self.model = nn.Sequential(nn.Linear(48, 8), nn.Linear(8, 16), nn.Linear(16, 4))
        self.model[1].requires_grad_(False)
        self.teacher = nn.Linear(48, 4).requires_grad_(False)

    def losses(self, network, batch, step_rng):
        x = batch.frames.flatten(1).float()
        with torch.no_grad():
            y = self.teacher(x)
        return {"loss": (network(x) - y).square().sum()}


@pytest.mark.parametrize("bf16", [False, True])
def test_each_gradient_counts_where_there_is_one(bf16):
    """First layer: forward and weight. Frozen one: forward and input. Last one: all three. Teacher: forward."""
    macs = 2 * 48 * 8 + 2 * 8 * 16 + 3 * 16 * 4 + 48 * 4
    found = step_flops(Layers(), blank(12, 1, 4), StepRng(0, 0, 6), alone(bf16))
    assert found == 12 * 2 * macs


def test_a_compiled_or_checkpointed_model_counts_the_same(tiny):
    config = EgoVLPConfig.small()
    batch, step_rng = blank(2, 4, 64), StepRng(0, 0, 1)
    plain, other, saving = Towers(config), Towers(config), Towers(config)
    expected = step_flops(plain, batch, step_rng, alone())
    other.model.compile()
    assert step_flops(other, batch, step_rng, alone()) == expected > 0
    wrap_for_ranks(saving.model, replace(tiny, activation_checkpointing=True), alone())
    assert step_flops(saving, batch, step_rng, alone()) == expected


@pytest.mark.parametrize("recipe", ["egovlp-tiny", "egovlpv2-tiny", "videomae-tiny", "videoprism-stage1-tiny"])
def test_real_batches(tiny, recipe):
    """Twice the batch is twice the work, whatever the rows that are looked at; nothing is left behind."""
    work, plain = [], RECIPES[recipe]()
    for size in (6, 12):
        shown = replace(plain.data, workers=0)
        config = replace(plain, shards=tiny.shards, batch_size=size, data=shown, device="cpu")
        data = open_stream(config, alone())
        system = build_system(config, data, alone())
        work.append(step_flops(system, next(iter(data)), StepRng(0, 0, size), alone()))
    assert work[0] > 0
    assert work[1] == pytest.approx(2 * work[0], rel=0.05)
    assert not any(parameter.grad is not None for parameter in system.model.parameters())


def test_without_a_known_device_there_is_no_ideal():
    assert peak_seconds(Layers(), blank(2, 1, 4), StepRng(0, 0, 2), alone()) == 0
