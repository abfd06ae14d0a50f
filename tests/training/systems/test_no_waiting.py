"""A step asks the device for no number: every answer would hold the host up until the device has done all before it."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from unittest import mock

import pytest
import torch
from torch.ops import aten
from torch.utils._python_dispatch import TorchDispatchMode

from egocurate.loaders.order.counter_rng import generator
from egocurate.training.config.optimizer import build_optimizer
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.step.batches import open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.systems.tokens import Tokens

NAMES = ("egovlp", "egovlpv2", "videomae", "videoprism-stage1")
ALONE = Ranks(0, 1, torch.device("cpu"), False)
# What gives a number, or a shape that depends on numbers, and so waits on a GPU.
WAITING = (aten._local_scalar_dense, aten.nonzero, aten.bincount, aten.masked_select, aten.unique_dim, aten._unique2)


class Waits(TorchDispatchMode):
    """Counts what would wait."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._overloadpacket in WAITING:
            self.counts[func._overloadpacket] += 1
        return func(*args, **(kwargs or {}))


def built(name, parts, tiny):
    """The config, the system and the first batch of a tiny recipe in parts."""
    recipe = RECIPES[f"{name}-tiny"]()
    data = replace(recipe.data, workers=0)
    config = replace(recipe, shards=tiny.shards, batch_size=4, data=data, micro_batches=parts, device="cpu")
    stream = open_stream(config, ALONE)
    (batch,) = islice(stream.epoch(0), 1)
    return config, build_system(config, stream, ALONE), batch


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_waits_for_nothing(name, parts, tiny):
    config, system, batch = built(name, parts, tiny)
    gradient = BatchGradient(config, system, system.model, ALONE)
    optimizer = build_optimizer(system.model, config.optimizer, system.new_parameters, system.layers_above)
    with Waits() as waits:
        gradient.backward(batch, StepRng(0, 0, 4))
        torch.nn.utils.clip_grad_norm_(system.model.parameters(), 1.0)
        optimizer.step()
    # Words are hidden on the host, once for the whole batch and once for each time that a part is read.
    on_host = {aten.nonzero: 1 if parts == 1 else 1 + 3 * parts} if name == "egovlpv2" else {}
    assert waits.counts == on_host


def test_waiting_would_be_seen():
    with Waits() as waits:
        torch.arange(3).float().norm().item()
        torch.eye(2).nonzero()
    assert waits.counts == {aten._local_scalar_dense: 1, aten.nonzero: 1}


@pytest.mark.parametrize("name", NAMES)
def test_the_hosts_work_is_on_the_clock(name, tiny):
    """Tokens and random numbers, while which a GPU may have nothing to do."""
    _, system, batch = built(name, 1, tiny)
    running, found = [False], []

    @contextmanager
    def timed():
        running[0] = True
        yield
        running[0] = False

    def noted(real):
        return lambda *args, **kwargs: found.append(running[0]) or real(*args, **kwargs)

    with (
        mock.patch("egocurate.training.systems.step_rng.generator", noted(generator)),
        mock.patch.object(Tokens, "on_host", noted(Tokens.on_host)),
    ):
        system.losses(system.model, batch, StepRng(0, 0, 4, timed=timed))
    assert found and all(found) and not running[0]
