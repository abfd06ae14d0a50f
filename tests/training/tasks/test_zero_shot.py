"""Zero-shot classes and retrieval of videos: by hand, against other ways, and whole commands on one and two ranks."""

import csv
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.commands.curate import app, main
from egocurate.errors import InputError
from egocurate.labels import with_labels
from egocurate.loaders import MultiViewClips, Views
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.loaders.videos.long_videos import spread_frames
from egocurate.models.metrics.ranks import best_answer_ranks
from egocurate.models.tokenizer import train_tokenizer
from egocurate.progress import silent
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.write_shards import ShardJob, VideoFile, write_shards
from egocurate.training.distributed.ranks import Ranks
from egocurate.training.run.load_run import restore
from egocurate.training.run.run_folder import read_run
from egocurate.training.tasks.zero_shot.class_texts import class_phrase, read_templates
from egocurate.training.tasks.zero_shot.classification import ZeroShotTest, names_to_ask, zero_shot_classes
from egocurate.training.tasks.zero_shot.video_retrieval import (
    RetrievalTest,
    read_captions,
    retrieval_by_cosines,
    video_retrieval,
)
from tests.models.frozen.tiny_encoders import write_encoder
from tests.training.ranks import together
from tests.training.runs import clip, run
from tests.training.tasks.test_evaluate import Stub, command, write_video, written

COUNT = 9
VERBS, NOUNS = ["move", "turn-on", "move_away"], ["cup", "maker:coffee"]


def cut_labeled(folder, data, labels, names):
    """Cut nine clips of the video with labels."""
    clips = pa.Table.from_pylist([clip(i) for i in range(COUNT)], schema=CLIP_SCHEMA)
    job = ShardJob(
        clips=with_labels(clips, {kind: np.array(numbers) for kind, numbers in labels.items()}, names),
        videos={"video": VideoFile(data / "video.mp4")},
        out=folder,
        profile=profile("train"),
        clips_per_shard=4,
        num_verbs=3,
        num_nouns=4,
    )
    assert write_shards(job).samples == COUNT
    return folder


@pytest.fixture(scope="module")
def labeled(data, tmp_path_factory):
    labels = {"verb": [0, 1, 0, 1, 0, 1, -1, 1, 0], "noun": [0, 0, 0, 1, 1, 1, -1, 0, 1]}
    return cut_labeled(tmp_path_factory.mktemp("labeled") / "shards", data, labels, {"verb": VERBS, "noun": NOUNS})


@pytest.fixture(scope="module")
def numbered(data, tmp_path_factory):
    labels = {"label": [i % 3 for i in range(COUNT)]}
    names = {"label": [str(i) for i in range(3)]}
    return cut_labeled(tmp_path_factory.mktemp("numbered") / "shards", data, labels, names)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three videos, their captions, and one caption of a video that is not there."""
    folder = tmp_path_factory.mktemp("retrieval")
    for seed, name in enumerate(("a", "b", "c")):
        write_video(folder / "videos" / f"{name}.mp4", 20 + seed)
    captions = [("a", "opens door"), ("b", "moves cup 1"), ("a", "takes plate"), ("c", "cuts"), ("gone", "falls")]
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("key", "video_id", "sentence"), *(("k", *one) for one in captions)])
    return folder


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    run(replace(tiny, out=str(out), max_steps=2))
    return out


def unit(rows):
    return torch.nn.functional.normalize(rows, dim=-1)


def error_of(capsys, *arguments):
    assert command("eval", *arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("curate: ")
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("turn-on", "turn on"),
        ("maker:coffee", "coffee maker"),
        ("take_(pick,_grab,_get)", "take"),
        ("Putting [something] down", "Putting something down"),
        ("(only)", "(only)"),
    ],
)
def test_names_of_classes_as_one_says_them(name, phrase):
    assert class_phrase(name) == phrase


def test_classes_by_hand(labeled, tiny):
    """Two verbs of two sentences each: a class is the mean of its unit sentences, not of its products."""
    index = ShardIndex.open(labeled)
    up, right = [0.0, 1.0], [1.0, 0.0]
    known = [i for i, label in enumerate(index.labels["verb"]) if label >= 0]
    clips = [right if index.labels["verb"][i] == 0 else up for i in known]
    clips[0] = up  # of verb 0, and answered wrong
    stub = HandMade(clips, [right, right, up, [0.6, 0.8]])
    test = ZeroShotTest(index, {"verb": [["a", "b"], ["c", "d"], []]})
    figures, missing = zero_shot_classes(test, tiny.data, stub, silent)
    assert figures == pytest.approx({"top1": 100 * 7 / 8, "top5": 100.0, "mean_class": 100 * (3 / 4 + 1) / 2})
    assert not missing


class HandMade(Stub):
    """Given embeddings, for as many clips at once as it is told."""

    clips_at_once = 8

    def _replace(self, clips_at_once):
        self.clips_at_once = clips_at_once
        return self


def test_a_clip_that_does_not_decode_does_not_count(labeled, tiny):
    stub = HandMade([[1.0, 0.0]] * 8, [[1.0, 0.0], [0.0, 1.0]], {2: "damaged"})
    test = ZeroShotTest(ShardIndex.open(labeled), {"noun": [["a"], ["b"]]})
    figures, missing = zero_shot_classes(test, tiny.data, stub, silent)
    assert figures["top1"] == pytest.approx(100 * 3 / 7)
    assert missing == ["video-narration_pass_1-00002 (damaged)"]


def test_the_command_answers_as_each_clip_alone(trained, labeled):
    """By cosines of each clip and class on its own, for two kinds of labels and three views."""
    out = trained.parent / "alone"
    assert command("eval", trained, "--zero-shot", labeled, "--views", 3, "--out", out) == 0
    found = written(out)["eval-zero-shot.json"]
    assert found["asked_as"] == {"verb": ["moves"], "noun": ["cup"]}
    system, _ = restore(read_run(trained, []), Ranks(0, 1, torch.device("cpu"), False))
    index = ShardIndex.open(labeled)
    views = MultiViewClips(index, range(COUNT), Views(frames=4, size=32, segments=3, crops=1, pick="segments-middle"))
    with torch.no_grad():
        clips = torch.stack([unit(system.embed_clips(clip_views)).mean(0) for clip_views in views])
        for kind, texts in (("verb", ["moves", "turns on", "move away"]), ("noun", ["cup", "coffee maker"])):
            scores = unit(clips) @ unit(system.embed_texts(texts)).T
            labels = index.labels[kind]
            known = labels >= 0
            right = (scores.argmax(1).numpy() == labels)[known]
            assert found[f"{kind}_top1"] == pytest.approx(100 * right.mean(), abs=1e-3)
            assert found[f"{kind}_top5"] == pytest.approx(100)


def test_templates_of_ones_own_and_raw_texts(trained, labeled, tmp_path):
    (tmp_path / "t.txt").write_text("## mine\n#C C {} it\n\na video of {}\n")
    line = ("eval", trained, "--zero-shot", labeled, "--label", "verb", "--templates", tmp_path / "t.txt")
    for form, first in (("normalized", ["move it", "a video of move"]), ("raw", ["#C C move it", "a video of move"])):
        assert command(*line, "--out", tmp_path, "--set", f"data.text={form}") == 0
        found = written(tmp_path)["eval-zero-shot.json"]
        assert (found["asked_as"]["verb"], found["text"]) == (first, form)
        assert "top1" in found


def test_a_model_of_the_web_is_asked_for_videos(labeled, tmp_path):
    write_encoder("clip", tmp_path / "clip")
    train_tokenizer(["a video of cup", "a video of move"] * 3, 64).save_pretrained(tmp_path / "clip")
    line = ("eval", "--weights", tmp_path / "clip", "--zero-shot", labeled, "--label", "noun", "--out", tmp_path)
    assert command(*line) == 0
    assert written(tmp_path)["eval-zero-shot.json"]["asked_as"]["noun"] == ["a video of cup"]


def test_classes_that_are_only_numbers_need_names(trained, numbered, tmp_path, capsys):
    line = (trained, "--zero-shot", numbered)
    assert "9 clips are of 3 of the 3 classes of label that have no name but a number" in error_of(capsys, *line)
    (tmp_path / "names.txt").write_text("lift\nlower\npush\n")
    assert command("eval", *line, "--label-names", tmp_path / "names.txt", "--out", tmp_path) == 0
    (tmp_path / "gap.json").write_text(json.dumps({"lift": 0, "push": 2}))
    said = error_of(capsys, *line, "--label-names", tmp_path / "gap.json")
    assert "3 clips are of 1 of the 3 classes" in said
    (tmp_path / "short.txt").write_text("lift\nlower\n")
    assert "2 names of label" in error_of(capsys, *line, "--label-names", tmp_path / "short.txt")


def test_a_class_with_only_a_number_that_no_clip_has_is_never_the_answer(labeled, tiny):
    index = ShardIndex.open(labeled)
    names = names_to_ask(index, "verb", {"verb": ["move", "turn", "2"]})
    assert names == {"verb": ["move", "turn", ""]}
    stub = HandMade([[1.0, 0.0]] * 8, [[0.0, -1.0], [0.0, -1.0]])  # 0 for all: a class without text would tie
    assert zero_shot_classes(ZeroShotTest(index, {"verb": [["a"], ["b"], []]}), tiny.data, stub, silent)[0][
        "top1"
    ] == pytest.approx(50)


def test_several_captions_of_a_video_by_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(20):
        similarity = rng.integers(0, 6, (5, 9)).astype(float)  # with ties
        owners = np.concatenate([np.arange(5), rng.integers(0, 5, 4)])
        expected = []
        for video, row in enumerate(similarity):
            best = max(row[owners == video])
            expected.append(1 + sum(value >= best for value, owner in zip(row, owners, strict=True) if owner != video))
        assert best_answer_ranks(similarity, owners).tolist() == expected
        figures = retrieval_by_cosines(similarity, owners)
        assert figures["v2t_median_rank"] == np.median(expected)
        to_video = [
            1 + sum(similarity[v, s] >= similarity[o, s] for v in range(5) if v != o) for s, o in enumerate(owners)
        ]
        assert figures["t2v_r@1"] == pytest.approx(100 * np.mean(np.array(to_video) <= 1))


def test_retrieval_of_video_files(trained, videos, tmp_path, capsys):
    line = ("eval", trained, "--retrieval", videos / "captions.csv", "--retrieval-videos", videos / "videos")
    assert command(*line, "--out", tmp_path, "--dual-softmax") == 3
    assert "left out, 1 missing: gone (not there)" in capsys.readouterr().out
    found = written(tmp_path)["eval-retrieval.json"]
    system, _ = restore(read_run(trained, []), Ranks(0, 1, torch.device("cpu"), False))
    shown = [spread_frames(videos / "videos" / f"{name}.mp4", frames=4, size=32) for name in "abc"]
    with torch.no_grad():
        clips = unit(torch.cat([system.embed_clips(frames[None]) for frames in shown]))
        texts = unit(system.embed_texts(["opens door", "moves cup 1", "takes plate", "cuts"]))
    expected = retrieval_by_cosines((clips @ texts.T).numpy(), np.array([0, 1, 0, 2]))
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-3)
    assert {f"dual_softmax_{name}" for name in expected} <= found.keys()


def test_a_video_of_several_clips_in_shards_is_their_mean(labeled, tiny, tmp_path):
    (tmp_path / "one.csv").write_text("video_id,sentence\nvideo,moves cup\nother,falls\n")

    class OfClips(Stub):
        def clips(self, clips, stage, report):
            assert isinstance(clips, EvaluationClips)
            return torch.nn.functional.normalize(torch.ones(len(clips), 2), dim=1), {}

        def texts(self, texts):
            assert texts == ["moves cup"]
            return torch.tensor([[1.0, 0.0]])

    test = RetrievalTest(tmp_path / "one.csv", shards=str(labeled))
    figures, missing = video_retrieval(test, tiny.data, OfClips([], []), silent)
    assert (figures["t2v_r@1"], missing) == (100, ["other (not in the shards)"])


def test_a_mistake_is_one_line(trained, labeled, videos, tmp_path, capsys):
    captions = videos / "captions.csv"
    (tmp_path / "wrong.csv").write_text("id,text\na,b\n")
    (tmp_path / "empty.csv").write_text("video_id,sentence\na,\n")
    (tmp_path / "others.csv").write_text("video_id,sentence\nx,falls\ny,falls\n")
    (tmp_path / "bad.txt").write_text("a video\n")
    folder = ("--retrieval-videos", videos / "videos")
    for arguments, words in [
        (("--zero-shot", labeled, "--label", "action"), "has no label action: there are verb, noun"),
        (("--zero-shot", labeled, "--templates", tmp_path / "bad.txt"), "line 1 is 'a video'"),
        (("--zero-shot", labeled, "--label-names", labeled / "manifest.json"), "for which of verb, noun"),
        (("--zero-shot", tmp_path), "is not a finished shard folder"),
        (("--label", "verb"), "--label needs --zero-shot"),
        (("--retrieval", captions), "one of them"),
        (("--retrieval", captions, *folder, "--retrieval-shards", labeled), "one of them"),
        (("--dual-softmax",), "--dual-softmax is of --epic-retrieval and --retrieval"),
        (("--retrieval", tmp_path / "wrong.csv", *folder), "column 'video_id' is missing"),
        (("--retrieval", tmp_path / "empty.csv", *folder), "row 1: sentence is empty"),
        (("--retrieval", tmp_path / "others.csv", *folder), "none of the 2 videos"),
        (("--retrieval", tmp_path / "others.csv", "--retrieval-shards", labeled), "none of the 2 videos"),
    ]:
        assert words in error_of(capsys, trained, *arguments), words


def test_captions_of_older_files_and_templates(tmp_path):
    (tmp_path / "c.csv").write_text("video_id,caption\nb, two  words \na,x\nb,y\n")
    found = read_captions(tmp_path / "c.csv")
    assert (found.videos, found.sentences, found.owners.tolist()) == (["b", "a"], ["two words", "x", "y"], [0, 1, 0])
    (tmp_path / "none.txt").write_text("\n## {}\n")
    with pytest.raises(InputError, match="0 templates"):
        read_templates(tmp_path / "none.txt")


@pytest.mark.slow
def test_tasks_can_be_imported_before_systems():
    line = "import egocurate.training.tasks.zero_shot.video_retrieval"
    subprocess.run([sys.executable, "-c", line], check=True)


def evaluate_there(arguments):
    with pytest.raises(SystemExit) as left:
        main(["eval", *map(str, arguments)])
    assert left.value.code == 3


@pytest.mark.slow
def test_two_ranks_find_what_one_finds(trained, labeled, videos, tmp_path):
    line = [trained, "--zero-shot", labeled, "--views", 2, "--retrieval", videos / "captions.csv", "--dual-softmax"]
    line += ["--retrieval-videos", videos / "videos", "--out"]
    one = app(["eval", *map(str, [*line, tmp_path / "one"])], standalone_mode=False)
    assert one == 3
    together(2, evaluate_there, [*line, tmp_path / "two"])
    assert written(tmp_path / "one") == written(tmp_path / "two")


@pytest.fixture(scope="module")
def benchmarks(data, labeled, videos, tmp_path_factory):
    """A folder for --all: EgoMCQ, zero-shot, retrieval, and a Charades-Ego of which a half is there."""
    root = tmp_path_factory.mktemp("benchmarks")
    (root / "zero-shot").mkdir()
    (root / "charades" / "CharadesEgo").mkdir(parents=True)
    links = {"egomcq.json": data / "egomcq.json", "egomcq-shards": data / "shards", "zero-shot/epic": labeled}
    links |= {"retrieval.csv": videos / "captions.csv", "retrieval-videos": videos / "videos"}
    for name, where in links.items():
        (root / name).symlink_to(where)
    return root


@pytest.mark.slow
def test_all_benchmarks_of_a_folder(trained, benchmarks, labeled, tmp_path, capsys):
    assert command("eval", trained, "--all", "--data", benchmarks, "--out", tmp_path / "one") == 3
    said = capsys.readouterr().out
    assert "charades-ego: left out: " in said
    assert "retrieval: left out, 1 missing: gone (not there)" in said
    found = written(tmp_path / "one")["eval-all.json"]
    assert [task["task"] for task in found["tasks"]] == ["egomcq-dual", "zero-shot/epic", "retrieval"]
    assert found["left_out"].keys() == {"charades-ego"}
    assert {(one["model"], one["figure"]) for one in found["published"]} >= {("EgoVLP", "inter"), ("EgoVLPv2", "intra")}
    assert command("eval", trained, "--zero-shot", labeled, "--out", tmp_path / "alone") == 0
    alone = written(tmp_path / "alone")["eval-zero-shot.json"]
    assert found["tasks"][1]["figures"].items() <= alone.items()
    together(2, evaluate_there, [trained, "--all", "--data", benchmarks, "--out", tmp_path / "two"])
    assert written(tmp_path / "two")["eval-all.json"] == found


def test_one_benchmark_of_another_version_does_not_stop_the_others(trained, numbered, benchmarks, tmp_path, capsys):
    (tmp_path / "zero-shot").mkdir()
    (tmp_path / "zero-shot" / "mine").symlink_to(numbered)
    for name in ("retrieval.csv", "retrieval-videos"):
        (tmp_path / name).symlink_to((benchmarks / name).resolve())
    assert command("eval", trained, "--all", "--data", tmp_path, "--out", tmp_path / "out") == 3
    assert "zero-shot/mine: left out: " in capsys.readouterr().out
    (tmp_path / "retrieval.csv").unlink()
    said = error_of(capsys, trained, "--all", "--data", tmp_path, "--out", tmp_path / "none")
    assert "no name but a number" in said
    assert "--data" in error_of(capsys, trained, "--all")
    assert "leave --zero-shot out" in error_of(capsys, trained, "--all", "--data", tmp_path, "--zero-shot", numbered)
