"""Text negatives from shards to the gradient, and the swap quiz that is answered while they are learned from."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
import torch

from egocurate.captions import CAPTION_TYPES
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.commands.curate import main
from egocurate.errors import InputError
from egocurate.models.losses.egonce import egonce
from egocurate.models.losses.egonce_plus import egonce_plus
from egocurate.progress import silent
from egocurate.questions import ITEM_FIELDS
from egocurate.shards.profiles import profile
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.training.config.loss_configs import Contrast, MaxMargin
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.step.batches import open_stream
from egocurate.training.systems import build_system
from egocurate.training.systems.step_rng import StepRng
from egocurate.training.tasks.swap_quiz import SwapQuizEvaluator
from tests.training.distributed.test_parallel import ALONE, gradients, two_layers
from tests.training.ranks import together
from tests.training.runs import CLIPS, clip, rows, run

PLUS = Contrast(loss="egonce_plus")


def with_swaps(i):
    """Clip i with two swaps of each kind; every sixth has one alone."""
    row = clip(i)
    wrong = [
        (f"#C C drops cup {i % 9}", 4),
        (f"#C C moves pan {i % 9}", 5),
        ("#C C eats a cup", 4),
        ("#C C moves a hat", 5),
    ]
    texts = [(row["clip_text"], 0), *(wrong[:1] if i % 6 == 0 else wrong)]
    captions = [(text, text.removeprefix("#C C "), kind, 1.0, row["tag_verb"], row["tag_noun"]) for text, kind in texts]
    return row | dict(zip(CAPTION_TYPES, map(list, zip(*captions, strict=True)), strict=True))


def question(i):
    item = {name: clip(i)[name] for name in (*ITEM_FIELDS, "text")}
    both = {
        kind: [{"clip_text": f"#C C {text}", "text": text} for text in texts]
        for kind, texts in (("verb_swaps", ["drops cup", "eats cup"]), ("noun_swaps", ["moves pan"]))
    }
    return {"clip": item, **both}


@pytest.fixture(scope="module")
def swaps(data, tmp_path_factory):
    """Shards whose clips have text negatives, and a quiz about four of them and one that is not there."""
    out = tmp_path_factory.mktemp("swaps")
    schema = pa.schema([*CLIP_SCHEMA, *CAPTION_TYPES.items()])
    clips = pa.Table.from_pylist([with_swaps(i) for i in range(CLIPS)], schema=schema)
    videos = {"video": VideoFile(data / "video.mp4")}
    write_shards(ShardJob(clips, videos, out / "shards", profile("train"), num_verbs=3, num_nouns=4, clips_per_shard=8))
    quiz = {str(q): question(3 * q) for q in range(4)}
    quiz["4"] = question(0) | {"clip": question(0)["clip"] | {"video_uid": "elsewhere"}}
    (out / "swap_quiz.json").write_text(json.dumps(quiz))
    return out


@pytest.fixture(scope="module")
def plus(tiny, swaps):
    data = replace(tiny.data, text_negatives=3)
    return replace(tiny, shards=(str(swaps / "shards"),), objective=PLUS, data=data)


@pytest.fixture
def asked(swaps):
    return {"swap_quiz": str(swaps / "swap_quiz.json"), "mcq_shards": str(swaps / "shards")}


@pytest.mark.parametrize("objective", [PLUS, Contrast()], ids=["egonce_plus", "egonce"])
def test_the_loss_is_that_of_texts_embedded_one_by_one(plus, objective):
    plus = replace(plus, objective=objective)
    data = open_stream(plus, ALONE)
    system, batch = build_system(plus, data, ALONE), next(data.epoch(0))
    assert {len(texts) for texts in batch.text_negatives} == {1, 3}
    with torch.no_grad():
        found = system.losses(system.model, batch, StepRng(0, 0, plus.batch_size))["loss"]
        text, video = system.embed_texts(batch.texts), system.embed_clips(batch.frames)
        wrong = torch.zeros(len(batch), 3, text.shape[1])
        is_there = torch.zeros(len(batch), 3, dtype=torch.bool)
        for row, texts in enumerate(batch.text_negatives):
            wrong[row, : len(texts)] = system.embed_texts(texts)
            is_there[row, : len(texts)] = True
    if objective is PLUS:
        expected = egonce_plus(text, video, wrong, batch.nouns, batch.valid, is_there)
    else:
        expected = egonce(text, video, batch.verbs, batch.nouns, batch.valid, wrong, is_there)
        assert expected > egonce(text, video, batch.verbs, batch.nouns, batch.valid)
    torch.testing.assert_close(found, expected)


def test_micro_batches_give_the_same_gradient(plus):
    (one, expected, _), (two, found, _) = (gradients(replace(two_layers(plus), micro_batches=n)) for n in (1, 4))
    torch.testing.assert_close(two, one)
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_two_ranks_learn_what_one_learns(plus, asked, tmp_path):
    for ranks in (1, 2):
        together(ranks, run, replace(plus, out=str(tmp_path / str(ranks)), max_steps=2, eval_every=2, **asked))
    columns = ("step", "loss", "mcq_inter", "swap_verb", "swap_noun", "swap_both")
    found, expected = (
        [[-1.0 if cell is None else cell for cell in row] for row in rows(tmp_path / str(ranks), *columns)]
        for ranks in (2, 1)
    )
    assert len(found) == len(expected) == 6
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, rel=1e-3)


def test_the_quiz_is_answered_while_training_and_afterwards(plus, asked, tmp_path, capsys):
    result = run(replace(plus, out=str(tmp_path / "run"), max_steps=2, **asked))
    assert result.after.keys() == {"inter", "intra", "swap_verb", "swap_noun", "swap_both"}
    assert [row[0] for row in rows(tmp_path / "run", "step", "swap_verb") if row[1] is not None] == [0, 2]
    config = replace(read_run(tmp_path / "run", []), shards=())
    system, _ = restore(config, ALONE)
    figures, left_out = SwapQuizEvaluator(replace(config, **asked), system, ALONE, silent).evaluate()
    assert left_out == ["question 4 (its clip is not in the shards)"]
    assert figures == {name: result.after[f"swap_{name}"] for name in ("verb", "noun", "both")}
    command = ["eval", tmp_path / "run", "--swap-quiz", asked["swap_quiz"], "--mcq-shards", asked["mcq_shards"]]
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in [*command, "--set", "device=cpu"]])
    assert left.value.code == 3 and "left out, 1 missing: question 4" in capsys.readouterr().out
    record = json.loads((tmp_path / "run/eval-swap-quiz.json").read_text())
    assert {name: record[name] for name in figures} == pytest.approx(figures, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": PLUS}, "egonce_plus needs texts that are wrong of a clip"),
        ({"objective": Contrast("info_nce"), "text_negatives": 2}, "egonce_plus and egonce alone learn from them"),
        ({"objective": MaxMargin(), "text_negatives": 2}, "egonce_plus and egonce alone learn from them"),
    ],
)
def test_a_loss_without_them_and_they_without_the_loss_are_refused(tiny, plus, changes, words):
    data = replace(tiny.data, text_negatives=changes.get("text_negatives", 0))
    config = replace(plus, objective=changes["objective"], data=data)
    with pytest.raises(InputError, match=words):
        build_system(config, open_stream(config, ALONE), ALONE)


def test_a_quiz_without_its_clips_is_refused(plus, swaps, tiny):
    system = build_system(plus, open_stream(plus, ALONE), ALONE)
    config = replace(plus, swap_quiz=str(swaps / "swap_quiz.json"), mcq_shards="")
    with pytest.raises(InputError, match="name these, too"):
        SwapQuizEvaluator(config, system, ALONE, silent)
