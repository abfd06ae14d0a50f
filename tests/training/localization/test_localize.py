"""nlq and mq as a user runs them: planted features give figures and files to submit; what is bad is said in a line."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from egocurate.commands.curate import main
from egocurate.curation.synthetic.long_videos import LongRootConfig, write_long_root
from egocurate.curation.synthetic.script import NOUNS, VERBS, third_person
from tests.training.runs import run

RATE = 2.0


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Annotations of invented videos, and features of them that say what is done, of width 18."""
    folder = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egocurate.curation.synthetic.long_videos.render_all", lambda *_, **__: None)
        write_long_root(folder / "root", LongRootConfig(train=3, val=1, clip_sec=40.0))
    for split in ("train", "val"):
        name = folder / "root" / "v2" / "annotations" / f"nlq_{split}.json"
        for video in json.loads(name.read_text())["videos"]:
            write_features(folder / "features", video)
    return folder


def write_features(folder, video):
    folder.mkdir(exist_ok=True)
    rows = np.zeros((80, len(VERBS) + len(NOUNS)), np.float32)
    for query in video["clips"][0]["annotations"][0]["language_queries"]:
        first, end = (round(query[f"clip_{side}_sec"] * RATE) for side in ("start", "end"))
        verbs = [[third_person(word) for word in words] for words in VERBS.values()]
        told = [
            place
            for place, words in enumerate([*verbs, *NOUNS.values()])
            if any(f" {word} " in f"{query['query']} " for word in words)
        ]
        rows[first:end, told] = 1
    torch.save(torch.from_numpy(rows), folder / f"{video['video_uid']}.pt")


def curate(world, verb, *more, features="features", out="run", annotations=None):
    name = {"nlq": "nlq", "mq": "moments"}[verb]
    published = world / "root" / "v2" / "annotations"
    files = annotations or [published / f"{name}_{split}.json" for split in ("train", "val")]
    given = [verb, "--features", world / features, "--rate", RATE, "--annotations", *files, "--out", world / out]
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in (*given, "--positions", 32, "--cpu", *more)])
    return ended.value.code or 0


@pytest.fixture(scope="module")
def reader(tiny, tmp_path_factory):
    """A run of two steps, whose text tower reads questions; its tokens are 16 wide."""
    folder = tmp_path_factory.mktemp("reader") / "run"
    run(replace(tiny, out=str(folder), mcq_json="", max_steps=2))
    return str(folder)


@pytest.mark.parametrize(
    ("verb", "figure", "reads"), [("nlq", "R1@0.3", 0), ("nlq", "R1@0.3", 1), ("mq", "mAP@0.1", 0)]
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(world, reader, tmp_path, verb, figure, reads, capsys):
    read_by = ["--words", reader] if reads else []
    ask = partial(curate, world, verb, "--epochs", 3)
    assert ask(*read_by, out=tmp_path / "whole") == 0
    assert "predictions, ready to submit" in capsys.readouterr().out
    whole = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egocurate.training.localization.loop._save", stop_after(1))
        with pytest.raises(KeyboardInterrupt):
            learn_directly(world, verb, tmp_path / "stopped", reader if reads else "")
    assert ask(*read_by, out=tmp_path / "stopped") == 2  # there is a run already
    assert "add --resume" in capsys.readouterr().err
    if reads:
        assert whole["model"]["words.weight"].shape == (128, 16)
        assert ask("--resume", out=tmp_path / "stopped") == 2
        assert f"words ({reader} -> )" in capsys.readouterr().err
    assert ask(*read_by, "--resume", out=tmp_path / "stopped") == 0
    stopped = torch.load(tmp_path / "stopped" / "checkpoint.pt", weights_only=True)
    for name, weight in whole["model"].items():
        assert torch.equal(weight, stopped["model"][name]), name
    results = [json.loads((tmp_path / how / "result.json").read_text()) for how in ("whole", "stopped")]
    assert results[0] == results[1] and 0 <= results[0][figure] <= 100


def stop_after(epochs):
    """Return a way to save that then acts as Ctrl-C does."""
    from egocurate.training.localization import loop

    really = loop._save

    def save(out, model, optimizer, rows):
        really(out, model, optimizer, rows)
        if len(rows) == epochs:
            raise KeyboardInterrupt

    return save


def learn_directly(world, verb, out, words):
    from egocurate.commands.localization import stretches as localize
    from egocurate.training.localization.loop import LoopConfig

    name, positions = {"nlq": ("nlq", 32), "mq": ("moments", 32)}[verb]
    files = [world / "root" / "v2" / "annotations" / f"{name}_{split}.json" for split in ("train", "val")]
    request = localize.LocalizeRequest([world / "features"], RATE, *files, out, positions, words=words, gpu=False)
    config = {"nlq": LoopConfig(3), "mq": LoopConfig(3, 2, 5e-4)}[verb]
    getattr(localize, f"run_{verb}")(request, config)


def test_predictions_have_the_form_of_the_challenges(world):
    curate(world, "nlq", "--epochs", 1, out="nlq-form")
    written = json.loads((world / "nlq-form" / "predictions.json").read_text())
    assert (written["version"], written["challenge"]) == ("1.0", "ego4d_nlq_challenge")
    [first, *_] = written["results"]
    assert first.keys() == {"clip_uid", "annotation_uid", "query_idx", "predicted_times"}
    assert len(first["predicted_times"]) == 5 and all(start < end for start, end in first["predicted_times"])
    curate(world, "mq", "--epochs", 1, out="mq-form")
    written = json.loads((world / "mq-form" / "predictions.json").read_text())
    assert (written["version"], written["challenge"]) == ("1.0", "ego4d_moment_queries")
    assert len(written["detect_results"]) == 1 and written["detect_results"] == written["retrieve_results"]


def test_a_clip_without_features_is_named_and_left_out(world, capsys):
    videos = sorted((world / "features").iterdir())
    (world / "fewer").mkdir()
    for path in videos[1:]:
        (world / "fewer" / path.name).symlink_to(path)
    assert curate(world, "nlq", "--epochs", 1, features="fewer", out="fewer-run") == 3
    said = capsys.readouterr()
    assert "3 of 4 clips have features, 18 wide" in said.out
    assert f"bad: {videos[0].stem}: has no features in" in said.err


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (np.zeros((30, 18), np.float32), "has features to 15.0 s, asked to 40.0 s: another rate?"),
        (np.zeros((80, 5), np.float32), "[5] wide, the first video [18]"),
        (np.full((80, 18), np.nan, np.float32), "holds numbers that are not finite"),
        (np.zeros((80, 18), np.float64), "holds no rows of features"),
    ],
)
def test_features_that_cannot_be_used_are_named(world, tmp_path, rows, line, capsys):
    for path in (world / "features").iterdir():
        (tmp_path / path.name).symlink_to(path)
    bad = tmp_path / f"{videos_of(world, 'train')[1]['video_uid']}.pt"
    bad.unlink()
    torch.save(torch.from_numpy(rows), bad)
    assert curate(world, "nlq", "--epochs", 1, features=tmp_path, out=tmp_path / "run") == 3
    assert line in capsys.readouterr().err


def videos_of(world, split):
    return json.loads((world / "root" / "v2" / "annotations" / f"nlq_{split}.json").read_text())["videos"]


def test_folders_stand_side_by_side_at_one_rate(world, tmp_path, capsys):
    assert curate(world, "nlq", "--epochs", 1, "--features", world / "features", out=tmp_path / "run") == 0
    assert "36 wide" in capsys.readouterr().out
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "features.json").write_text('{"rate": 1.5}')
    assert curate(world, "nlq", "--features", tmp_path / "other", out=tmp_path / "2") == 2
    assert "features of different rates: 2 in --rate, 1.5 in" in capsys.readouterr().err


def test_annotations_of_another_form_or_version_are_refused_in_a_line(world, tmp_path, capsys):
    files = [world / "root" / "v2" / "annotations" / f"nlq_{split}.json" for split in ("train", "val")]
    moments = world / "root" / "v2" / "annotations" / "moments_val.json"
    assert curate(world, "nlq", annotations=[files[0], moments], out=tmp_path / "run") == 2
    assert "has no list `language_queries`" in capsys.readouterr().err
    other = tmp_path / "nlq_val.json"
    other.write_text(files[1].read_text().replace('"version": "v2"', '"version": "v1"'))
    assert curate(world, "nlq", annotations=[files[0], other], out=tmp_path / "run") == 2
    assert "annotations of different versions" in capsys.readouterr().err


def test_questions_that_nobody_answers_are_only_predicted(world, tmp_path, capsys):
    source = world / "root" / "v2" / "annotations"
    told = json.loads((source / "nlq_val.json").read_text())
    for video in told["videos"]:
        queries = video["clips"][0]["annotations"][0]["language_queries"]
        for query in queries:
            del query["clip_start_sec"], query["clip_end_sec"]
        queries[0]["query"] = ""
    test = tmp_path / "nlq_test_unannotated.json"
    test.write_text(json.dumps(told))
    status = curate(world, "nlq", "--epochs", 1, annotations=[source / "nlq_train.json", test], out=tmp_path / "run")
    said = capsys.readouterr()
    assert status == 0 and "predictions only" in said.err and "left out: 1 that have no words" in said.out
    assert json.loads((tmp_path / "run" / "result.json").read_text()) == {"epochs": 1}
