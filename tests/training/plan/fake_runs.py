"""What tests run on a GPU that is not there, in a process of its own; they get plain values back."""

from collections import Counter
from functools import cache
from unittest import mock

import torch
import torch.distributed as dist
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.testing._internal.distributed.fake_pg import FakeStore, _create_fake_pg

from egocurate.loaders import device as loaders_device
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.plan import measure
from egocurate.training.plan.fake_gpu import NAME, fake_gpu, fake_tensors
from egocurate.training.plan.fake_step import training_step
from egocurate.training.plan.host_syncs import HostSyncs
from egocurate.training.plan.memory_meter import MemoryMeter
from egocurate.training.tasks.embed import Embedder

CPU = torch.device("cpu")
GROUP = "fake_gpus"


def register():
    """Have the device from here on."""
    fake_gpu()


def config_of(recipe, *changes):
    """Return a recipe's config with `key=value` changes, and the little room of tests for anchors."""
    config = RECIPES[recipe]()
    for change in changes:
        config = with_setting(config, change)
    return config


def learn(recipe, anchors, *changes):
    """Take a step; returns what its losses and gradients are like, who has none, and where the host waits."""
    device = fake_gpu()
    with fake_tensors(), HostSyncs(device) as syncs:
        step = training_step(config_of(recipe, *changes), anchors, device, bf16=True)
        syncs.found.clear()
        losses = step.gradient.backward(step.batch, step.rng)
        parameters = dict(step.system.model.named_parameters())
        learned = [parameter for parameter in parameters.values() if parameter.grad is not None]
        found = {
            "losses": {name: (loss.device.type, loss.dtype, loss.ndim) for name, loss in losses.items()},
            "gradients": Counter((one.grad.device.type, one.grad.dtype) for one in learned),
            "without": [name for name, one in parameters.items() if one.requires_grad and one.grad is None],
            "frozen": [name for name, one in parameters.items() if not one.requires_grad],
            "syncs": set(syncs.found),
        }
        syncs.found.clear()
        step.optimizer.step()
        return found | {"optimizer": set(syncs.found)}


def embed(recipe, clips):
    """Embed texts and clips and take features, as evaluations do; returns (device, dtype, shape) of each."""
    device = fake_gpu()
    with fake_tensors(), HostSyncs(device):
        step = training_step(config_of(recipe), 1, device, bf16=True)
        system, ranks, texts = step.system, step.gradient.ranks, [f"moves cup {number}" for number in range(clips)]
        frames = torch.zeros(clips, *step.batch.frames.shape[1:], dtype=torch.uint8)
        found, embedder = {}, Embedder(system, ranks, 0, clips)
        if system.embedding:
            found |= {"texts": embedder.texts(texts), "clips": embedder.frames(frames)}
        with torch.no_grad(), ranks.autocast():
            found["features"] = system.features(frames.to(device))
            if system.can_fuse:
                options = torch.zeros(2, 5, dtype=torch.int64, device=device)
                found["match"] = system.match_probability(frames.to(device), texts[:2], options, 2)
    return {name: (value.device.type, value.dtype, tuple(value.shape)) for name, value in found.items()}


def learn_with_a_mean_on_the_host():
    """Take a step whose pixels are normalized by a tensor that stays on the CPU."""
    mean = torch.zeros(3, 1, 1)
    with (
        mock.patch.object(loaders_device, "normalize"),
        mock.patch("egocurate.training.systems.base.normalize", lambda frames: frames.float() - mean),
    ):
        learn("egovlp-tiny", 2)


def learn_with_a_layer_left_behind():
    """Take a step of a system that does not move its model."""
    with mock.patch("egocurate.training.plan.fake_gpu._move", lambda module, device: module):
        learn("egovlp-tiny", 2)


def learn_and(what):
    """Take a step in which something is done with the loss; returns where the host waits, beside where it did."""
    from egocurate.training.systems.egovlp import EgoVLPSystem

    compare = EgoVLPSystem.compare

    def compare_and(system, embeddings, batch):
        losses = compare(system, embeddings, batch)
        DONE[what](losses["loss"].detach())
        return losses

    before = learn("egovlp-tiny", 2)["syncs"]
    with mock.patch.object(EgoVLPSystem, "compare", compare_and):
        return {(sync.where, sync.operation) for sync in learn("egovlp-tiny", 2)["syncs"] - before}


DONE = {
    "item": lambda loss: loss.item(),
    "tolist": lambda loss: loss[None].tolist(),
    "if": lambda loss: 1 if loss > 0 else 2,
    "cpu": lambda loss: loss.cpu(),
    "nonzero": lambda loss: loss[None].nonzero(),
    "tensor": lambda loss: loss + torch.tensor([1.0], device=loss.device),
    "nothing": lambda loss: loss + 1,
    "new": lambda loss: loss + torch.ones(1, device=loss.device),
    "host": lambda loss: torch.ones(3).tolist(),
}


def dtypes_under_autocast():
    """Return what some operations give in bf16 autocast, by name, and outside of it."""
    device = fake_gpu()
    with fake_tensors():
        x = torch.zeros(2, 2, 4, 8, device=device, requires_grad=True)
        narrow, linear = x.bfloat16(), nn.Linear(8, 8).to(device)
        run = {
            "linear": lambda: linear(x),
            "matmul": lambda: x @ x.mT,
            "layer_norm": lambda: nn.functional.layer_norm(narrow, (8,)),
            "softmax": lambda: narrow.softmax(-1),
            "sum": lambda: narrow.sum(),
            "gelu": lambda: nn.functional.gelu(narrow),
            "attention": lambda: nn.functional.scaled_dot_product_attention(x, x, x),
            "double": lambda: x.double() @ x.double().mT,
            "addcmul": lambda: torch.addcmul(x, narrow, narrow),
        }
        with torch.autocast(NAME, torch.bfloat16):
            inside = {name: one().dtype for name, one in run.items()}
            kernel = run["attention"]().grad_fn.name()
        return inside, kernel, linear(x).dtype


def peaks_on_cpu(recipe, anchors, *changes):
    """Return the most bytes beside batch, weights and the optimizer's state: worked out, and of a real step."""
    config = config_of(recipe, *changes)
    step = training_step(config, anchors, CPU, bf16=False)
    step.begin_optimizer()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        step.run()
    held = peak = 0
    for event in trace.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    meter = MemoryMeter(CPU)
    with fake_tensors(), HostSyncs(CPU), meter:
        expected = measure.measured(training_step(config, anchors, CPU, bf16=False), meter)
    return expected.activations + expected.gradients, peak


def measure_one(recipe, anchors, *changes):
    """Return what a step takes of a GPU."""
    return measure.measure_step(config_of(recipe, *changes), anchors, bf16=True)


def measure_large(recipe, anchors):
    """Return what a step takes, by a line and by itself."""
    config = config_of(recipe)
    return measure.measure_large(config, anchors, bf16=True), measure.measure_step(config, anchors, bf16=True)


def optimizer_bytes(recipe):
    """Return the bytes of an optimizer's state: worked out, and of a real one."""
    config = config_of(recipe)
    expected = measure.measure_step(config, 2, bf16=True).optimizer
    step = training_step(config, 2, CPU, bf16=False)
    step.begin_optimizer()
    tensors = [value for state in step.optimizer.state.values() for value in state.values() if value.ndim]
    return expected, sum(tensor.nbytes for tensor in tensors)


def learn_among(size, recipe, anchors):
    """Take a step as rank 1 of so many, which only pretend to send."""
    device = fake_gpu()
    _register_group()
    dist.init_process_group(f"cpu:fake,{device.type}:{GROUP}", rank=1, world_size=size, store=FakeStore())
    try:
        return learn(recipe, anchors)
    finally:
        dist.destroy_process_group()


@cache
def _register_group():
    dist.Backend.register_backend(GROUP, _create_fake_pg, extended_api=True, devices=[NAME])
