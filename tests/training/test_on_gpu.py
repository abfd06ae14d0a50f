"""What a GPU computes is what the CPU does: steps, bf16, compiled, the optimizer, crops, NCCL, runs that go on."""

import socket
from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from egocurate.models.videoprism.model import PrismVideoTower
from egocurate.models.weights import save_weights
from egocurate.training.config.loss_configs import Distillation
from egocurate.training.config.optimizer import OptimizerConfig, build_optimizer
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.monitor.throughput import Throughput
from egocurate.training.step.batches import next_batches, open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import SYSTEMS, build_system
from egocurate.training.systems.step_rng import StepRng
from tests.training.runs import Stop, rows, run

GPU = "cuda"
ALONE = Ranks(0, 1, torch.device("cpu"), False)
COMPILED = ("egovlp", "videoprism-stage1")  # a minute each; the others are compiled at their published size

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU"),
]


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A tower of the small first stage that has learned nothing."""
    torch.manual_seed(3)
    sizes = RECIPES["videoprism-stage2-tiny"]().model
    path = tmp_path_factory.mktemp("teacher") / "tower.safetensors"
    save_weights(PrismVideoTower(sizes.encoder, sizes.auxiliary_depth), path)
    return path


@pytest.fixture
def config_of(data, teacher):
    def config(name):
        found = RECIPES[f"{name}-tiny"]()
        if name == "videoprism-stage2":
            found = replace(found, objective=Distillation(str(teacher)))
        return replace(
            found, shards=(str(data / "shards"),), data=replace(found.data, workers=0), batch_size=8, epochs=10
        )

    return config


def step(config, device, *, bf16=False, compiled=False, wrap=lambda network: network):
    """The losses of the first batch and its gradients, on the CPU, with the same weights on every device."""
    ranks = Ranks(0, 1, torch.device(device), bf16)
    data = open_stream(config, ALONE)
    system = build_system(config, data, ranks)
    torch.manual_seed(1)
    with torch.no_grad():  # far from the start, where much is zero
        for parameter in system.model.parameters():
            parameter += (0.02 * torch.randn(parameter.shape)).to(device)
    network = wrap(wrap_for_ranks(system.model, replace(config, compile=compiled), ranks))
    gradient = BatchGradient(config, system, network, ranks)
    losses = gradient.backward(next(data.epoch(0)).to(device), StepRng(0, 0, config.batch_size))
    learned = {name: p.grad.cpu() for name, p in system.model.named_parameters() if p.grad is not None}
    return {name: loss.item() for name, loss in losses.items()}, learned


def apart(found, expected):
    """How far gradients are apart, all of them together, relative to the expected ones."""
    assert found.keys() == expected.keys()
    difference = sum(float((found[name] - expected[name]).square().sum()) for name in expected)
    return (difference / sum(float(each.square().sum()) for each in expected.values())) ** 0.5


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_is_the_cpus(name, config_of):
    losses, gradients = step(config_of(name), GPU)
    expected, theirs = step(config_of(name), "cpu")
    assert losses == pytest.approx(expected, rel=1e-4)
    assert apart(gradients, theirs) < 2e-3


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_in_bf16_is_near_the_cpus(name, config_of):
    losses, gradients = step(config_of(name), GPU, bf16=True)
    expected, theirs = step(config_of(name), "cpu")
    assert losses == pytest.approx(expected, rel=0.03)
    assert all(each.dtype == torch.float32 for each in gradients.values())
    assert apart(gradients, theirs) < 0.2


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_step_is_the_same(name, config_of):
    losses, gradients = step(config_of(name), GPU, compiled=True)
    expected, theirs = step(config_of(name), "cpu")
    assert losses == pytest.approx(expected, rel=1e-4)
    assert apart(gradients, theirs) < 2e-3


@pytest.mark.parametrize("kind", ["adamw", "adafactor"])
def test_the_optimizer_steps_as_on_the_cpu(kind):
    models = []
    for device in ("cpu", GPU):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(7, 5), nn.LayerNorm(5), nn.Linear(5, 3)).to(device)
        optimizer = build_optimizer(model, OptimizerConfig(kind=kind, lr=1e-2, weight_decay=0.1))
        assert kind != "adamw" or all(group["fused"] for group in optimizer.param_groups)
        for number in range(5):
            torch.manual_seed(number)
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape).to(device)
            optimizer.step()
        models.append({name: value.cpu() for name, value in model.state_dict().items()})
    torch.testing.assert_close(models[1], models[0], rtol=1e-5, atol=1e-6)


def test_clips_that_the_device_crops_are_the_hosts_to_a_level(config_of):
    config = config_of("egovlp")
    on_gpu = Ranks(0, 1, torch.device(GPU), False)
    host = open_stream(config, ALONE).epoch(0)
    config = replace(config, data=replace(config.data, crop="device"))
    data = open_stream(config, ALONE)
    clock = Throughput(1, on_gpu.device)
    for expected, (_, batch) in zip(host, next_batches(config, data, on_gpu, 3, clock), strict=False):
        difference = (batch.frames.cpu().int() - expected.frames.int()).abs()
        assert difference.max() <= 1 and difference.float().mean() < 0.3
        assert batch.views is None and batch.texts == expected.texts
    assert clock.rates()["data_wait"] > 0


def test_one_rank_with_nccl_learns_as_one_without(config_of, monkeypatch):
    config = replace(config_of("egovlp"), device=GPU)
    expected, theirs = step(config, GPU)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    place = {"LOCAL_RANK": 0, "RANK": 0, "WORLD_SIZE": 1, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    for name, value in place.items():
        monkeypatch.setenv(name, str(value))
    with open_ranks(config) as ranks:
        assert f"{GPU}:nccl" in dist.get_backend_config()
        assert ranks.mean({"loss": torch.ones((), device=ranks.device)}) == {"loss": 1.0}
        found, ours = step(config, GPU, wrap=DistributedDataParallel)
    assert found == pytest.approx(expected, rel=1e-5)
    assert apart(ours, theirs) < 1e-4


def test_a_stopped_run_goes_on_with_the_same_losses(tiny, tmp_path):
    text = replace(tiny.model.text, dropout=0.3)  # the GPU's random numbers must go on as well
    tiny = replace(tiny, model=replace(tiny.model, text=text), device=GPU, precision="fp32")
    unbroken, broken = (replace(tiny, out=str(tmp_path / name)) for name in ("unbroken", "broken"))
    expected = run(unbroken)
    with pytest.raises(Stop):
        run(broken, stop_at=7)
    result = run(broken, resume=True)
    ours, theirs = (rows(tmp_path / name, "step", "loss") for name in ("broken", "unbroken"))
    assert len(ours) == len(theirs) > 8
    assert [loss or 0 for _, loss in ours] == pytest.approx([loss or 0 for _, loss in theirs], rel=1e-4)
    assert result.after.keys() == expected.after.keys()
