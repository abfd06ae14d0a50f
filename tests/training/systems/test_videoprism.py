"""VideoPrism's stages one after the other on real shards."""

import shutil
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from egocurate.errors import InputError
from egocurate.loaders.presets import PRESETS
from egocurate.loaders.stored_size import enlarged
from egocurate.models.videoprism.config import (
    DecoderConfig,
    DistillationConfig,
    EncoderConfig,
    PrismTextConfig,
    VideoPrismConfig,
)
from egocurate.models.weights import save_weights
from egocurate.train import train
from egocurate.training.config.loss_configs import Distillation, LockedContrast, PlainContrast
from egocurate.training.config.recipes import RECIPES
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.egomcq import EgoMCQEvaluator
from tests.models.frozen.tiny_encoders import needs_timm, write_encoder
from tests.models.test_sentencepiece_tokenizer import write_model
from tests.training.ranks import together
from tests.training.runs import Stop, rows, run, saved

torch.set_num_threads(1)
STEPS = 8
ENCODER = EncoderConfig(image=32, patch=8, frames=4, width=48, depth=1, time_depth=1, heads=4, hidden=96)
TEXT = PrismTextConfig(vocab=128, width=48, depth=1, heads=4, hidden=96, max_tokens=16)
ALONE = Ranks(0, 1, torch.device("cpu"), False)


@pytest.fixture(scope="module")
def first(tiny):
    """Eight steps of the first stage; OUT is still open."""
    data = replace(PRESETS["videoprism-stage1"], frames=4, size=32, scale=(1.0, 1.0), workers=0)
    model = VideoPrismConfig(ENCODER, TEXT, auxiliary_depth=1)
    return replace(
        tiny,
        system="videoprism-stage1",
        model=model,
        objective=PlainContrast(drop=0.25),
        data=data,
        batch_size=8,
        max_steps=STEPS,
    )


@pytest.fixture(scope="module")
def stage1(first, tmp_path_factory):
    """A run of the first stage: its folder."""
    out = tmp_path_factory.mktemp("stage1") / "run"
    run(replace(first, out=str(out)))
    return out


@pytest.fixture(scope="module")
def second(first, stage1):
    """Eight steps of the second stage; OUT is still open."""
    model = DistillationConfig(ENCODER, DecoderConfig(32, depth=1, heads=2, hidden=64), auxiliary_depth=1)
    quizless = replace(first, mcq_json="", mcq_shards="", system="videoprism-stage2", model=model)
    return replace(quizless, objective=Distillation(str(stage1)))


@pytest.fixture(scope="module")
def stage2(second, tmp_path_factory):
    """A run of the second stage: its folder."""
    out = tmp_path_factory.mktemp("stage2") / "run"
    run(replace(second, out=str(out)))
    return out


@pytest.fixture(scope="module")
def third(first, stage1, stage2):
    """Eight steps of tuning texts; OUT is still open."""
    return replace(first, system="videoprism-lit", objective=LockedContrast(encoder=str(stage2), towers=str(stage1)))


def build(config):
    data = open_stream(config, ALONE)
    system = build_system(config, data, ALONE)
    data.close()
    return system


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["first", "second", "third"])
def test_the_loss_falls(request, tmp_path, stage):
    """The 26 clips have nine texts, so a contrast cannot come near 0."""
    config = request.getfixturevalue(stage)
    steps = 30 if stage == "second" else 80
    few = {"epochs": 30, "max_steps": steps, "checkpoint_every": steps, "mcq_json": ""}
    run(replace(config, out=str(tmp_path / "run"), **few))
    losses = [loss for (loss,) in rows(tmp_path / "run", "loss")]
    assert np.mean(losses[-10:]) < 0.85 * np.mean(losses[:5])


@pytest.mark.slow
def test_adafactor_resumes_to_the_bit(first, tmp_path):
    first = replace(first, optimizer=replace(first.optimizer, kind="adafactor", schedule="linear"))
    unbroken, broken = (replace(first, out=str(tmp_path / name)) for name in ("unbroken", "broken"))
    run(unbroken)
    with pytest.raises(Stop):
        run(broken, stop_at=5)
    run(broken, resume=True)
    ours, theirs = saved(tmp_path / "broken", STEPS, tmp_path), saved(tmp_path / "unbroken", STEPS, tmp_path)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.slow
def test_two_ranks_learn_what_one_does(second, third, stage2, tmp_path):
    lit = replace(third, out=str(tmp_path / "lit"))
    run(lit)
    for config in (replace(second, out=str(tmp_path / "two")), replace(lit, out=str(tmp_path / "lit-two"))):
        together(2, run, config)
    for one, two, columns in (
        (stage2, tmp_path / "two", ("loss", "tokens", "clip")),
        (tmp_path / "lit", tmp_path / "lit-two", ("loss",)),
    ):
        assert rows(two, *columns) == [
            [value and pytest.approx(value, rel=1e-4) for value in row] for row in rows(one, *columns)
        ]


@pytest.mark.slow
def test_the_teacher_stays_as_it_was_and_out_of_the_checkpoint(second, stage1, stage2, tmp_path):
    system = build(second)
    student = {id(parameter) for parameter in system.model.parameters()}
    teacher = {f"/model/video.{name}": value for name, value in system.teacher.state_dict().items()}
    assert not student & {id(parameter) for parameter in system.teacher.parameters()}
    assert not any(parameter.requires_grad for parameter in system.teacher.parameters())
    theirs = saved(stage1, STEPS, tmp_path)
    assert all(torch.equal(value, theirs[name]) for name, value in teacher.items())
    begun = {f"/model/{name}": value for name, value in system.model.state_dict().items()}
    ours = saved(stage2, STEPS, tmp_path)
    assert {name for name in ours if name.startswith("/model/")} == begun.keys()
    for name, value in begun.items():
        if name.startswith("/model/encoder."):  # it began as the teacher's and learned since
            assert torch.equal(value, theirs[name.replace("/model/", "/model/video.")])
            assert not torch.equal(value, ours[name])


def test_a_step_leaves_the_teacher_alone(second):
    data = open_stream(second, ALONE)
    system, batch = build_system(second, data, ALONE), next(iter(data))
    data.close()
    before = {name: value.clone() for name, value in system.teacher.state_dict().items()}
    optimizer = torch.optim.SGD(system.model.parameters(), lr=1.0)
    system.losses(system.model, batch, StepRng(0, 0, len(batch)))["loss"].backward()
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in system.teacher.state_dict().items())


@pytest.mark.slow
def test_tuned_texts_leave_the_encoder_to_the_bit(third, stage1, stage2, tmp_path):
    result = run(replace(third, out=str(tmp_path / "run")))
    assert result.after.keys() == {"inter", "intra"}
    tuned, towers, student = (saved(out, STEPS, tmp_path) for out in (tmp_path / "run", stage1, stage2))
    tuned = {name.removeprefix("/model/"): value for name, value in tuned.items() if name.startswith("/model/")}
    for name, value in tuned.items():
        if name.startswith("video.encoder."):
            assert torch.equal(value, student["/model/" + name.removeprefix("video.")])
        else:
            assert not torch.equal(value, towers["/model/" + name])
    written = [(out / "tokenizer" / "tokenizer.json").read_text() for out in (stage1, tmp_path / "run")]
    assert written[0] == written[1]


def test_texts_are_read_as_the_first_stage_read_them(third, stage1, tmp_path):
    """Whatever narrations the new shards have."""
    made = stage1 / "tokenizer"
    system = build(third)
    assert system.tokens.tokenizer.name_or_path == str(made)


def test_weights_take_the_place_of_runs(first, second, third, stage1, tmp_path):
    torch.manual_seed(3)
    model = build(first).model
    save_weights(model, tmp_path / "one.safetensors")
    save_weights(model.video.encoder, tmp_path / "encoder.safetensors")
    system = build(replace(second, objective=Distillation(str(tmp_path / "one.safetensors"))))
    assert torch.equal(system.teacher.pool.query, model.video.pool.query)
    locked = LockedContrast(encoder=str(tmp_path / "encoder.safetensors"), towers=str(tmp_path / "one.safetensors"))
    config = replace(third, objective=locked)
    with pytest.raises(InputError, match="--set tokenizer=FILE") as raised:
        build(config).load_initial_weights(config)  # it would read a tokenizer that these weights never saw
    assert "\n" not in str(raised.value)
    config = replace(config, tokenizer=str(stage1 / "tokenizer"))
    system = build(config)
    with torch.no_grad():
        model.video.encoder.pos_embed.zero_()
    assert len(system.load_initial_weights(config)) == 2
    assert not torch.equal(system.model.video.encoder.pos_embed, model.video.encoder.pos_embed)
    assert torch.equal(system.model.text.embed.weight, model.text.embed.weight)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dinov3_vit", pytest.param("pe_video", marks=needs_timm)])
def test_an_encoder_of_others_teaches(second, tmp_path, kind):
    write_encoder(kind, tmp_path / "encoder")
    model = replace(second.model, encoder=replace(ENCODER, width=16))
    few = {"epochs": 30, "max_steps": 30, "checkpoint_every": 30, "out": str(tmp_path / "run")}
    run(replace(second, model=model, objective=Distillation(str(tmp_path / "encoder")), **few))
    losses = rows(tmp_path / "run", "loss", "tokens", "clip")
    assert losses[-1][0] == pytest.approx(sum(losses[-1][1:]), abs=2e-4)
    assert np.mean(losses[-5:], axis=0)[0] < 0.85 * np.mean(losses[:5], axis=0)[0]
    shutil.rmtree(tmp_path / "encoder")  # it is neither saved nor asked for again
    system, _ = restore(read_run(tmp_path / "run", []), ALONE)
    assert system.features(torch.zeros(1, 4, 3, 32, 32).byte()).shape == (1, 16)


@pytest.mark.parametrize(
    ("stage", "change", "words"),
    [
        ("second", {"objective": Distillation()}, "needs its teacher"),
        ("second", {"objective": Distillation("nowhere.pth")}, "nowhere.pth"),
        ("second", {"mcq_json": "a", "mcq_shards": "b"}, "leave out --mcq-json"),
        (
            "second",
            {"model": replace(DistillationConfig.tiny(), encoder=replace(ENCODER, depth=2), auxiliary_depth=1)},
            "of the",
        ),
        ("third", {"objective": LockedContrast()}, "objective.towers=RUN"),
        ("third", {"objective": LockedContrast(encoder="nowhere.pth", towers="nowhere.pth")}, "nowhere.pth"),
        ("first", {"objective": PlainContrast(drop=1.0)}, "16 of 16 places hidden"),
        ("first", {"model": VideoPrismConfig(replace(ENCODER, patch=5), TEXT)}, "multiple of patch=5"),
        ("first", {"start": "nowhere.pth"}, "nowhere.pth"),
    ],
)
def test_a_mistake_is_one_line(request, tmp_path, stage, change, words):
    with pytest.raises(InputError, match=words) as raised:
        run(replace(request.getfixturevalue(stage), **{"out": str(tmp_path / "run")} | change))
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_weights_without_texts_need_no_tokenizer(first, tmp_path):
    save_weights(build(first).model.video, tmp_path / "tower.safetensors")
    named = {f"video.{name}": value for name, value in load_file(tmp_path / "tower.safetensors").items()}
    save_file(named, tmp_path / "video.safetensors")
    start = replace(first, start=str(tmp_path / "video.safetensors"))
    assert len(build(start).load_initial_weights(start)) == 1


def test_texts_are_read_in_their_canonical_form(first):
    system = build(first)
    for one, other in (("Moves, the cup!", "moves the cup"), ("moves cup 1", "Moves CUP #1")):
        assert torch.equal(system.tokens([one])[0], system.tokens([other])[0])
    assert not torch.equal(system.tokens(["moves cup"])[0], system.tokens(["moves plate"])[0])


def test_a_run_with_a_sentencepiece_model_needs_nothing_but_its_folder(first, tmp_path):
    source = write_model(tmp_path / "spm.model")
    config = replace(first, tokenizer=source, out=str(tmp_path / "run"), max_steps=2)
    result = run(config)
    Path(source).unlink()
    system, _ = restore(read_run(tmp_path / "run", []), ALONE)
    config = read_run(tmp_path / "run", [])
    evaluator = EgoMCQEvaluator(config, system, ALONE, lambda *_: None)
    assert evaluator.evaluate()[0] == result.after


def test_features_of_the_second_stage_ask_for_no_teacher(stage2, stage1, tmp_path):
    shutil.copytree(stage2, tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.json"
    recipe.write_text(recipe.read_text().replace(str(stage1), "/gone/run"))
    system, _ = restore(read_run(tmp_path / "run", []), ALONE)
    assert system.features(torch.zeros(2, 4, 3, 32, 32, dtype=torch.uint8)).shape == (2, 48)


def test_small_pictures_are_named(first, tmp_path):
    said = []
    model = VideoPrismConfig(replace(ENCODER, image=288, patch=72), TEXT, auxiliary_depth=1)
    config = replace(first, model=model, data=replace(first.data, size=288), max_steps=1, mcq_json="", mcq_shards="")
    train(replace(config, out=str(tmp_path / "run")), say=said.append)
    [line] = [line for line in said if "enlarged" in line]
    assert "stores 224 pixels and 288 are read" in line
    assert "`curate shards --profile large`" in line
    for stored in (None, 288):  # the source's own size, and enough
        assert list(enlarged([mock.Mock(manifest={"profile": {"short_side": stored}})], 288)) == []


def test_the_published_recipes():
    one, two, lit = (RECIPES[f"videoprism-{name}"]() for name in ("stage1", "stage2", "lit"))
    assert [config.batch_size for config in (one, two, lit)] == [4096] * 3
    for config in (one, two, lit):
        assert config.micro_batches == 0  # as many as the GPU's memory asks for
    assert [config.max_steps for config in (one, two)] == [200_000, 300_000]
    assert [config.optimizer.warmup_steps for config in (one, two)] == [20_000, 25_000]
    assert {config.optimizer.kind for config in (one, two, lit)} == {"adafactor"}
    assert [config.optimizer.weight_decay for config in (one, two)] == [1e-4, 0.05]
    assert (one.objective.drop, two.objective.mask, lit.objective.drop) == (0.5, 0.65, 0.0)
    assert (two.optimizer.lr, two.optimizer.final_lr, two.optimizer.schedule) == (5e-4, 1e-5, "cosine")
