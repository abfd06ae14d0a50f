"""EgoVLPv2 as it is trained: three losses over ranks, step_rng, rates, resume, and EgoMCQ in three modes."""

import os
from dataclasses import replace
from functools import partial
from itertools import islice
from unittest import mock

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from egocurate.errors import InputError
from egocurate.loaders.egomcq_dataset import EgoMCQDataset
from egocurate.models.egovlpv2.config import EgoVLPv2Config, ObjectiveConfig
from egocurate.models.egovlpv2.model import Losses
from egocurate.models.layers.configs import RobertaTextConfig, VideoConfig
from egocurate.models.metrics.egomcq import egomcq_accuracy
from egocurate.models.tokenizer import train_tokenizer
from egocurate.progress import silent
from egocurate.training.config.optimizer import OptimizerConfig, build_optimizer
from egocurate.training.config.overrides import with_setting
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.parallel import wrap_for_ranks
from egocurate.training.distributed.ranks import Ranks, open_ranks
from egocurate.training.step.batches import open_stream
from egocurate.training.step.micro_batches import BatchGradient
from egocurate.training.systems import build_system
from egocurate.training.systems.egovlpv2 import EgoVLPv2System, places
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.egomcq import EgoMCQEvaluator, question_blocks
from tests.training.ranks import together
from tests.training.runs import STEPS, Stop, rows, run, saved

MODEL = EgoVLPv2Config(
    video=VideoConfig(image=32, patch=16, width=16, depth=2, heads=2, eps=1e-5),
    text=RobertaTextConfig(vocab=128, width=16, depth=2, heads=2, max_tokens=16, dropout=0.0),
    fused_layers=1,
    projection=8,
)
ALONE = Ranks(0, 1, torch.device("cpu"), False)


@pytest.fixture(scope="module")
def config(tiny):
    return replace(tiny, system="egovlpv2", model=MODEL, objective=ObjectiveConfig())


def built(config, ranks=ALONE):
    """A system whose weights are far from their start: open gates, certain heads."""
    system = build_system(config, open_stream(config, ranks), ranks)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in system.model.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return system


# Learning.


@pytest.mark.slow
def test_it_learns_and_is_logged(config, tmp_path):
    optimizer = OptimizerConfig(lr=3e-3, new_lr=6e-3, warmup_steps=2, clip_grad=1.0)
    few = {"eval_every": 60, "checkpoint_every": 60}
    run(replace(config, out=str(tmp_path / "run"), max_steps=60, optimizer=optimizer, **few))
    losses = [loss for (loss,) in rows(tmp_path / "run", "loss") if loss is not None]
    assert np.mean(losses[-12:]) < 0.8 * np.mean(losses[:6])


@pytest.mark.slow
def test_stopped_and_resumed_equals_unbroken_to_the_bit(config, tmp_path):
    config = replace(config, model=replace(MODEL, text=replace(MODEL.text, dropout=0.3)))
    unbroken, broken = (replace(config, out=str(tmp_path / name)) for name in ("unbroken", "broken"))
    expected = run(unbroken)
    with pytest.raises(Stop):
        run(broken, stop_at=3)
    assert run(broken, resume=True).after == expected.after
    assert rows(tmp_path / "broken", "step", "loss", "lr") == rows(tmp_path / "unbroken", "step", "loss", "lr")
    ours, theirs = saved(tmp_path / "broken", STEPS, tmp_path), saved(tmp_path / "unbroken", STEPS, tmp_path)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.slow
def test_half_precision_trains(config, tmp_path):
    for mode in ("fp32", "bf16"):
        run(replace(config, out=str(tmp_path / mode), max_steps=2, precision=mode, mcq_mode="ensemble"))
    whole, half = ([row[0] for row in rows(tmp_path / mode, "loss") if row[0]] for mode in ("fp32", "bf16"))
    assert whole == pytest.approx(half, rel=0.02)
    assert whole != half


def test_what_starts_from_nothing_steps_faster_and_scalars_do_not_decay(config):
    system = built(config)
    optimizer = build_optimizer(system.model, RECIPES["egovlpv2"]().optimizer, system.new_parameters)
    names = {id(parameter): name for name, parameter in system.model.named_parameters()}
    group_of = {names[id(p)]: group for group in optimizer.param_groups for p in group["params"]}
    assert group_of.keys() == set(names.values())
    for name, rate, decay in (
        ("video_gates.0.gate", 4, 0),
        ("text_gates.0.kv.weight", 4, 0.01),
        ("video_gates.0.norm.weight", 4, 0),
        ("vtm_head.fc.weight", 4, 0.01),
        ("mlm_head.decoder.bias", 4, 0),
        ("vid_proj.4.weight", 4, 0.01),
        ("text_transform.weight", 4, 0.01),
        ("fused_cls_token", 1, 0),
        ("fused_norm.weight", 1, 0),
        ("video.cls_token", 1, 0),
        ("video.blocks.1.attn.qkv.weight", 1, 0.01),
        ("text.model.embeddings.word_embeddings.weight", 1, 0),
        ("text.model.encoder.layer.1.output.LayerNorm.weight", 1, 0),
    ):
        assert (group_of[name]["rate"], group_of[name]["weight_decay"]) == (rate, decay), name
    for start in system.new_parameters:
        assert any(name.startswith(start) for name in group_of), start


# StepRng.


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_places_are_those_of_one_process(config, ranks):
    (whole,) = islice(open_stream(config, ALONE).epoch(0), 1)
    for rank in range(ranks):
        (part,) = islice(open_stream(config, Ranks(rank, ranks, torch.device("cpu"), False)).epoch(0), 1)
        assert torch.equal(part.sample, whole.sample[places(len(part), 4 // ranks, rank, ranks)])
    assert places(3, 3, 1, 2).tolist() == [3, 4, 5]  # a stream without negatives


def drawn(config, epoch=0, step=0):
    """What the model is given for the first batch."""
    (batch,) = islice(open_stream(config, ALONE).epoch(0), 1)
    network = mock.Mock(return_value=Losses(*torch.zeros(4)))
    built(config).losses(network, batch, StepRng(0, epoch, 4, step))
    return network.call_args.args[0]


def hidden(batch):
    return (batch.masked.ids != batch.ids).nonzero().tolist()


def test_draws_do_not_depend_on_the_length_of_padding(config):
    long, short = drawn(config), drawn(replace(config, max_tokens=7))
    assert (long.ids.shape[1], short.ids.shape[1]) == (16, 7)
    assert torch.equal(long.uniform, short.uniform)
    assert hidden(long) == hidden(short) != []
    assert torch.equal(long.masked.targets, short.masked.targets)
    other = drawn(config, epoch=1)
    assert not torch.equal(long.uniform, other.uniform)
    assert hidden(long) != hidden(other)
    invalid = (~long.valid).nonzero().flatten().tolist()
    assert invalid
    assert not set(invalid) & {row for row, _ in hidden(long)}


def test_negatives_of_matching_are_hard_after_the_first_steps(config):
    later = replace(config, objective=ObjectiveConfig(uniform_steps=3))
    assert [drawn(later, step=step).hard for step in (0, 2, 3, 9)] == [False, False, True, True]
    assert drawn(config).hard  # as published: from the start


@pytest.mark.slow
def test_a_run_counts_its_steps_for_the_schedule(config, tmp_path):
    """A run that is resumed goes on in the schedule where it stood."""
    later = replace(config, objective=ObjectiveConfig(uniform_steps=6), out=str(tmp_path / "run"))
    hard, losses = [], EgoVLPv2System.losses

    def noted(self, network, batch, step_rng):
        hard.append(step_rng.step >= self.objective.uniform_steps)
        return losses(self, network, batch, step_rng)

    with mock.patch.object(EgoVLPv2System, "losses", noted):
        with pytest.raises(Stop):
            run(later, stop_at=4)
        hard.clear()
        run(later, resume=True)
    assert hard[-4:] == [False, False, True, True]


# Ranks.


def first_steps(config, count=5):
    """Losses, averaged over ranks, and gradients of some steps from the same weights; scores of EgoMCQ."""
    found = []
    with open_ranks(config) as ranks:
        system = built(config, ranks)
        network = wrap_for_ranks(system.model, config, ranks)
        for batch in islice(open_stream(config, ranks).epoch(0), count):
            system.model.zero_grad()
            losses = system.losses(network, batch, StepRng(0, 0, config.batch_size // ranks.size))
            losses["loss"].backward()
            found.append((ranks.mean(losses), {n: p.grad.clone() for n, p in system.model.named_parameters()}))
        system.model.eval()
        with torch.no_grad():
            scores = {
                mode: torch.from_numpy(
                    EgoMCQEvaluator(replace(config, mcq_mode=mode), system, ranks, silent).scores()[0]
                )
                for mode in ("fused", "ensemble")
            }
        del network
    return found, scores


def one_rank(rank, ranks, folder, config):
    torch.set_num_threads(1)
    os.environ |= {"LOCAL_RANK": str(rank), "RANK": str(rank), "WORLD_SIZE": str(ranks)}
    where = {"init_method": f"file://{folder}/{ranks}.store", "rank": rank, "world_size": ranks}
    with mock.patch.object(dist, "init_process_group", partial(dist.init_process_group, **where)):
        torch.save(first_steps(config), folder / f"{ranks}-{rank}.pt")


@pytest.mark.slow
def test_any_number_of_ranks_is_one_process(config, tmp_path):
    expected, expected_scores = first_steps(config)
    assert all(losses.keys() == {"loss", "egonce", "mlm", "vtm"} for losses, _ in expected)
    for ranks in (2, 4):
        mp.spawn(one_rank, (ranks, tmp_path, config), nprocs=ranks)
        for rank in range(ranks):
            found, scores = torch.load(tmp_path / f"{ranks}-{rank}.pt")
            for (losses, gradients), (whole_losses, whole) in zip(found, expected, strict=True):
                assert losses == pytest.approx(whole_losses, rel=1e-5)
                torch.testing.assert_close(gradients, whole, rtol=1e-3, atol=1e-5)
            torch.testing.assert_close(scores, expected_scores, rtol=1e-4, atol=1e-5)


# EgoMCQ.


def test_modes_score_as_pairs_one_by_one(config):
    system, questions = built(config), EgoMCQDataset(config.mcq_json, config.mcq_shards, size=32)
    model = system.model.eval()
    expected = {"dual": [], "fused": [], "ensemble": []}
    with torch.no_grad():
        for question in questions:
            ids, mask = system.tokens([question.text])
            for frames in question.frames:
                frames = system.pixels(frames[None])
                logits = model.match(model.lower_video(frames), model.lower_text(ids, mask))
                fused = logits.softmax(1)[0, 1].item()
                cosine = torch.cosine_similarity(model.encode_video(frames), model.encode_text(ids, mask)).item()
                for mode, score in (("dual", cosine), ("fused", fused), ("ensemble", cosine + fused)):
                    expected[mode].append(score)
    answers = set()
    for mode, scores in expected.items():
        scores = np.array(scores).reshape(-1, 5)
        evaluator = EgoMCQEvaluator(replace(config, mcq_mode=mode), system, ALONE, silent)
        if mode != "dual":
            np.testing.assert_allclose(evaluator.scores()[0], scores, rtol=1e-4, atol=1e-6)
        model.train()
        assert evaluator.evaluate() == (egomcq_accuracy(scores, questions.answers, questions.types), [])
        assert model.training
        answers.add(tuple(scores.argmax(1)))
    assert len(answers) > 1  # the modes differ


def test_a_block_runs_each_of_its_clips_once(config):
    system = built(config)
    evaluator = EgoMCQEvaluator(replace(config, mcq_mode="fused"), system, ALONE, silent)
    with mock.patch.object(system.model, "lower_video", wraps=system.model.lower_video) as lower:
        evaluator.evaluate()
    assert sum(len(call.args[0]) for call in lower.call_args_list) == len(evaluator.questions.clips)


@pytest.mark.parametrize("held", [5, 9, 40])
def test_blocks_hold_every_question_once_and_few_clips(held):
    choices = np.random.default_rng(0).integers(0, 60, (41, 5))
    blocks = [block for rank in range(3) for block in question_blocks(choices, rank, 3, held)]
    assert sorted(np.concatenate(blocks).tolist()) == list(range(41))
    sizes = [len(np.unique(choices[block])) for block in blocks]
    assert max(sizes) <= held
    assert len(question_blocks(choices, most_clips=60)) == 1
    assert question_blocks(choices[:2], 2, 3) == []


# What is refused, and recipes.


def test_a_mistake_is_one_line(config, tiny, tmp_path):
    tokenizer = train_tokenizer(["moves cup"])
    tokenizer.mask_token = None
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    for wrong, words in (
        (replace(tiny, mcq_mode="fused"), "egovlp cannot fuse"),
        (replace(config, model=replace(MODEL, fused_layers=3)), "fused_layers=3"),
        (replace(config, tokenizer=str(tmp_path / "tokenizer")), "no mask token"),
        (replace(config, video_weights="nowhere.pth"), r"nowhere\.pth"),
    ):
        with pytest.raises(InputError, match=words) as raised:
            run(replace(wrong, out=str(tmp_path / "run")))
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_the_published_recipe():
    config = RECIPES["egovlpv2"]()
    rates, data, model = config.optimizer, config.data, config.model
    assert (config.batch_size, config.epochs, config.max_tokens, data.frames, data.size) == (256, 20, 30, 4, 224)
    assert (rates.lr, rates.new_lr, rates.final_lr, rates.warmup_epochs) == (3e-5, 12e-5, 1e-7, 2)
    assert (rates.schedule, rates.beta1, rates.beta2, rates.eps, rates.weight_decay) == (
        "linear",
        0.9,
        0.98,
        1e-8,
        0.01,
    )
    assert (model.fused_layers, model.projection, model.video.depth) == (6, 4096, 12)
    assert with_setting(config, "mcq_mode=ensemble").mcq_mode == "ensemble"
    assert with_setting(with_setting(config, "objective.mlm=0.5"), "model.fused_layers=3").model.fused_layers == 3


# In parts.


def learned(config, ranks=ALONE, count=2):
    """Losses, averaged over ranks, and whole gradients by name, of the first batches, as the loop takes them."""
    system, found = built(config, ranks), []
    network = wrap_for_ranks(system.model, config, ranks)
    gradient = BatchGradient(config, system, network, ranks)
    for batch in islice(open_stream(config, ranks).epoch(0), count):
        system.model.zero_grad()
        losses = gradient.backward(batch, StepRng(0, 0, config.batch_size // ranks.size))
        grads = {name: parameter.grad for name, parameter in system.model.named_parameters()}
        whole = {name: grad.full_tensor() if hasattr(grad, "full_tensor") else grad for name, grad in grads.items()}
        found.append((ranks.mean(losses), {name: grad.clone() for name, grad in whole.items()}))
    return found


def assert_alike(found, expected):
    for (losses, gradients), (whole_losses, whole) in zip(found, expected, strict=True):
        assert losses == pytest.approx(whole_losses, rel=1e-5)
        assert all(gradient.abs().max() > 0 for name, gradient in whole.items() if name.endswith("gate"))
        torch.testing.assert_close(gradients, whole, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("parts", [2, 4])
def test_parts_give_the_losses_and_the_gradient_of_the_whole(config, shared, parts):
    """Of all three losses, though a pair that is told apart may be of rows of two parts."""
    config = replace(config, model=replace(MODEL, shared=shared))
    assert_alike(learned(replace(config, micro_batches=parts)), learned(config))


def parts_on_a_rank(config, folder):
    with open_ranks(config) as ranks:
        found = learned(config, ranks)
        torch.save(found, folder / f"{ranks.rank}.pt")


@pytest.mark.parametrize("parallel", [pytest.param("ddp", marks=pytest.mark.slow), "fsdp"])
def test_parts_on_two_ranks_are_one_process(config, parallel, tmp_path):
    expected = learned(config)
    together(2, parts_on_a_rank, replace(config, micro_batches=2, parallel=parallel), tmp_path)
    for rank in range(2):
        assert_alike(torch.load(tmp_path / f"{rank}.pt"), expected)


def test_a_part_drops_the_same_each_time(config):
    config = replace(config, model=replace(MODEL, text=replace(MODEL.text, dropout=0.5)), micro_batches=2)
    system = built(config)
    calls = {"lower_tokens": [], "dual": []}
    for name, given in calls.items():
        real = getattr(system.model, name)
        setattr(system.model, name, lambda *a, real=real, given=given: given.append(real(*a)) or given[-1])
    (batch,) = islice(open_stream(config, ALONE).epoch(0), 1)
    BatchGradient(config, system, system.model, ALONE).backward(batch, StepRng(0, 0, 4))
    for first, second, again, anew in calls.values():
        for one, other in zip((*first, *second), (*again, *anew), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
            assert not one.requires_grad and other.requires_grad


def test_over_ranks_float32_embeddings_meet(config):
    """Gradients of what is gathered are sums over ranks: in bf16 they would be rounded at each one."""
    config = replace(config, precision="bf16")
    ranks = replace(ALONE, bf16=True)
    system = built(config, ranks)
    (batch,) = islice(open_stream(config, ranks).epoch(0), 1)
    met = mock.patch("egocurate.models.egovlpv2.model.gather", side_effect=lambda rows: rows)
    with met as gather, ranks.autocast():
        system.losses(system.model, batch, StepRng(0, 0, 4))
    assert {call.args[0].dtype for call in gather.call_args_list} <= {torch.float32, torch.bool, torch.int64}


@pytest.mark.slow
def test_compiled_it_learns_the_same(config, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager", fullgraph=True))
    assert_alike(learned(replace(config, compile=True), count=1), learned(config, count=1))
