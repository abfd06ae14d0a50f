"""The same gradient in less memory: layers worked out twice, batches in parts, parameters in parts; and compiled."""

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from egocurate.errors import InputError
from egocurate.loaders.workers.worker_status import WorkerLost
from egocurate.models.egovlp.model import EgoVLP
from egocurate.models.layers.configs import TextConfig
from egocurate.train import train
from egocurate.training.config.optimizer import OptimizerConfig
from egocurate.training.distributed.parallel import unsharded, wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.step.batches import open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.base import System
from egocurate.training.systems.step_rng import StepRng
from tests.training.ranks import together
from tests.training.runs import rows, run

ALONE = Ranks(0, 1, torch.device("cpu"), False)


def two_layers(tiny, dropout=0.0):
    text = TextConfig(vocab=128, width=16, depth=2, heads=2, max_tokens=16, dropout=dropout)
    return replace(tiny, model=replace(tiny.model, video=replace(tiny.model.video, depth=2), text=text))


def gradients(config, system=None):
    """The losses of the first batch, its gradients by name, and the embeddings that each run of the model gave."""
    data = open_stream(config, ALONE)
    system = system or build_system(config, data, ALONE)
    network, seen = wrap_for_ranks(system.model, config, ALONE), []
    network.register_forward_hook(lambda module, inputs, out: seen.append(out))
    torch.manual_seed(5)
    losses = BatchGradient(config, system, network, ALONE).backward(
        next(data.epoch(0)), StepRng(0, 0, config.batch_size)
    )
    grads = {name: parameter.grad for name, parameter in system.model.named_parameters()}
    return losses, grads, seen


def test_layers_worked_out_twice_give_the_same_gradient(tiny):
    calls = []
    config = two_layers(tiny, dropout=0.3)
    for again in (False, True):
        config = replace(config, activation_checkpointing=again)
        system = build_system(config, open_stream(config, ALONE), ALONE)
        counts = [0, 0]
        for place, layer in enumerate((system.model.video.blocks[0].mlp, system.model.text.model.transformer.layer[1])):
            inner = layer if place == 0 else layer.ffn
            inner.register_forward_pre_hook(lambda *_, p=place, c=counts: c.__setitem__(p, c[p] + 1))
        calls.append((gradients(config, system), counts))
    (plain, once), (less, twice) = calls
    assert (once, twice) == ([1, 1], [2, 2])
    assert plain[0] == less[0]
    assert plain[1].keys() == less[1].keys()
    assert [name for name in plain[1] if not torch.equal(plain[1][name], less[1][name])] == []


def test_parts_of_a_contrast_give_the_gradient_of_the_whole(tiny):
    config = two_layers(tiny)
    (one, expected, _), (two, found, _) = (gradients(replace(config, micro_batches=n)) for n in (1, 4))
    assert two["loss"].item() == pytest.approx(one["loss"].item(), rel=1e-5)
    for name, gradient in expected.items():
        apart = (found[name] - gradient).norm() / gradient.norm().clamp(min=1e-6)
        assert apart < 1e-4, (name, apart)


def test_a_part_drops_the_same_both_times(tiny):
    *_, seen = gradients(replace(two_layers(tiny, dropout=0.5), micro_batches=2))
    first, second, again, anew = (text for text, _ in seen)
    assert torch.equal(first, again) and torch.equal(second, anew)
    assert not first.requires_grad and again.requires_grad
    *_, other = gradients(two_layers(tiny, dropout=0.5))
    assert not torch.equal(other[0][0][: len(first)], first)


class Brightness(System):
    """A model whose loss is a mean over rows, with random numbers by clip."""

    splits_by = "rows"

    def __init__(self):
        torch.manual_seed(0)
        self.model = nn.Linear(3, 2)

    def losses(self, network, batch, step_rng):
        shown = network(self.pixels(batch.frames).mean(dim=(1, 3, 4)))
        return {"loss": F.mse_loss(shown, step_rng.uniform(batch, 2)), "mean": shown.mean()}


def test_parts_of_a_mean_give_the_gradient_of_the_whole(tiny):
    (one, expected, _), (two, found, seen) = (gradients(replace(tiny, micro_batches=n), Brightness()) for n in (1, 2))
    assert [len(part) for part in seen] == [4, 4]
    for name in ("loss", "mean"):
        assert two[name].item() == pytest.approx(one[name].item(), rel=1e-5)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_parts_that_cannot_be_are_refused(tiny, monkeypatch, tmp_path):
    tiny = replace(tiny, out=str(tmp_path / "run"))
    with pytest.raises(InputError, match="micro_batches=3 does not divide the 4 anchors"):
        run(replace(tiny, micro_batches=3))
    monkeypatch.setattr("egocurate.training.systems.egovlp.EgoVLPSystem.splits_by", "whole")
    with pytest.raises(InputError, match=r"micro_batches=2 .*activation_checkpointing=true"):
        run(replace(tiny, micro_batches=2))
    assert not (tmp_path / "run").exists()


def sharded(config, folder):
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), Ranks(dist.get_rank(), 2, torch.device("cpu"), False)
    torch.manual_seed(0)
    model = EgoVLP(config.model).eval()
    frames = torch.randn(2, 4, 3, 32, 32)
    ids = torch.randint(0, 128, (2, 8))
    plain = model.encode_video(frames).detach(), model.encode_text(ids, torch.ones_like(ids)).detach()
    kept = {name: parameter.numel() for name, parameter in model.named_parameters()}
    wrap_for_ranks(model, config, ranks)
    here = {name: parameter.to_local().numel() for name, parameter in model.named_parameters()}
    assert here.keys() == kept.keys()
    assert sum(here.values()) < 0.7 * sum(kept.values())
    with torch.no_grad():
        # Both ranks call these equally often ...
        torch.testing.assert_close(model.encode_video(frames), plain[0])
        torch.testing.assert_close(model.encode_text(ids, torch.ones_like(ids)), plain[1])
        with unsharded(model):  # ... but not here
            for _ in range(1 + rank):
                torch.testing.assert_close(model.encode_video(frames), plain[0])
                torch.testing.assert_close(model.video(frames), model.video(frames))
    assert {name: parameter.to_local().numel() for name, parameter in model.named_parameters()} == here
    with pytest.raises(InputError, match=r"Adafactor.*parallel=ddp"):
        wrap_for_ranks(EgoVLP(config.model), replace(config, optimizer=OptimizerConfig(kind="adafactor")), ranks)
    (folder / str(rank)).touch()
    dist.barrier()
    dist.destroy_process_group()


def sharded_in_half_precision(config, folder):
    dist.init_process_group("gloo")
    ranks = Ranks(dist.get_rank(), 2, torch.device("cpu"), True)
    torch.manual_seed(0)
    model, plain = EgoVLP(config.model), EgoVLP(config.model)
    plain.load_state_dict(model.state_dict())
    seen = []
    for layer in (model.video.blocks[0].mlp.fc1, model.txt_proj[1]):
        layer.register_forward_pre_hook(lambda layer, _: seen.append(layer.weight.dtype))
    wrap_for_ranks(model, config, ranks)
    frames, ids = torch.randn(2, 4, 3, 32, 32), torch.randint(0, 128, (2, 8))
    found = []
    for network in (model, plain):
        with ranks.autocast():
            text, video = network(ids, torch.ones_like(ids), frames)
        (text.float().square().sum() + video.float().square().sum()).backward()
        found.append({name: p.grad for name, p in network.named_parameters()})
    assert seen == [torch.bfloat16] * 2 and all(p.dtype == torch.float32 for p in model.parameters())
    for name, grad in found[0].items():
        assert grad.dtype == torch.float32
        whole, expected = grad.full_tensor(), found[1][name]
        dist.all_reduce(expected)
        assert (whole - expected / 2).norm() < 0.1 * (expected / 2).norm() + 1e-4, name
    (folder / str(dist.get_rank())).touch()
    dist.barrier()
    dist.destroy_process_group()


def test_parameters_travel_in_half_precision_and_gradients_do_not(tiny, tmp_path):
    together(2, sharded_in_half_precision, replace(tiny, parallel="fsdp"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


def test_each_rank_keeps_its_part_of_a_sharded_model(tiny, tmp_path):
    together(2, sharded, replace(tiny, parallel="fsdp"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]


@pytest.mark.slow
def test_compiled_it_learns_the_same(tiny, tmp_path, monkeypatch):
    """Without kernels, whose making takes a minute: that the graphs, forward and backward, are the model."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    tiny = replace(tiny, mcq_json="", max_steps=3, checkpoint_every=3)
    for name, compiled in (("plain", False), ("compiled", True)):
        run(replace(tiny, out=str(tmp_path / name), compile=compiled))
    ours, theirs = (rows(tmp_path / name, "loss") for name in ("compiled", "plain"))
    assert len(ours) == 3
    assert [loss for (loss,) in ours] == pytest.approx([loss for (loss,) in theirs], rel=1e-4)


def test_a_worker_killed_in_the_middle_of_a_step_is_one_line(tiny, tmp_path):
    """PyTorch raises where the main thread happens to be, which is not where it waits for a batch."""

    def report(stage, done, total):
        if stage == "train" and done == 3:
            (worker,) = multiprocessing.active_children()
            os.kill(worker.pid, signal.SIGKILL)
            time.sleep(10)  # the signal that a child has ended comes in here

    config = replace(tiny, out=str(tmp_path / "run"), mcq_json="", data=replace(tiny.data, workers=1))
    with pytest.raises(WorkerLost, match=r"worker \d+ was killed by a signal \(Killed\).*then resume") as raised:
        train(config, report=report, say=lambda line: None)
    assert "\n" not in str(raised.value)
    assert (tmp_path / "run" / "checkpoints" / "step-00000002").exists()
