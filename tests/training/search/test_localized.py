"""`curate search --nlq`: hits have the ends that a run of `curate nlq` tells, and stay windows where it cannot."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from egocurate.commands.curate import app, main
from egocurate.training.localization.feature_folders import BadFeatures
from egocurate.training.localization.query_head import ReadText, open_head
from egocurate.training.run.load_model import load_model
from egocurate.training.search.localize_hits import HitLocalizer
from egocurate.training.search.search_index import Hit
from tests.training.runs import run
from tests.training.tasks.test_features import FPS, write_video

SECONDS = 12


@pytest.fixture(scope="module")
def world(tiny, tmp_path_factory):
    """A run of two steps, two videos, their features, and runs of nlq that have learned from one of them."""
    folder = tmp_path_factory.mktemp("localized")
    run(replace(tiny, out=str(folder / "run"), mcq_json="", max_steps=2))
    (folder / "videos").mkdir()
    for seed, name in enumerate("ab"):
        write_video(folder / "videos" / f"{name}.mp4", seed, SECONDS * FPS)
    status = curate("features", folder / "run", "--videos", folder / "videos", "--out", folder / "features")
    asked = [{"query": f"lifts the {thing}", "clip_start_sec": 2.0, "clip_end_sec": 7.0} for thing in ("cup", "box")]
    clip = {"clip_uid": "c", "video_start_sec": 0.0, "video_end_sec": SECONDS}
    clip["annotations"] = [{"annotation_uid": "q", "language_queries": asked}]
    (folder / "nlq.json").write_text(json.dumps({"version": "1", "videos": [{"video_uid": "a", "clips": [clip]}]}))
    annotations = ("--annotations", folder / "nlq.json", folder / "nlq.json")
    for name, read_by in (("nlq", ["--text"]), ("words", ["--words"]), ("both", ["--text", "--words"])):
        read = [word for option in read_by for word in (option, folder / "run")]
        learn = ("nlq", "--features", folder / "features", *annotations, "--epochs", 1, "--cpu")
        status += curate(*learn, *read, "--out", folder / name)
    assert status == 0
    return folder


def curate(*words):
    return app([str(word) for word in words], standalone_mode=False) or 0


def found(world, *more):
    out = world / "found.json"
    assert curate("search", world / "run", "lift the cup", "--videos", world / "videos", "--json", out, *more) == 0
    [query] = json.loads(out.read_text())["queries"]
    return query["hits"]


@pytest.mark.parametrize("nlq", ["nlq", "words", "both"])
def test_hits_have_the_ends_that_the_head_tells(world, nlq, capsys):
    windows = found(world)
    localized = found(world, "--nlq", world / nlq)
    assert "not localized" not in capsys.readouterr().err
    head, model = open_head(world / nlq), load_model(world / "run", device="cpu")
    asked = ReadText("lifts the cup", model.embed_text(["lifts the cup"])[0], model.embed_tokens(["lifts the cup"])[0])
    hits = []
    for hit in windows:
        rows, middle = torch.load(world / "features" / f"{hit['video']}.pt"), (hit["start_sec"] + hit["end_sec"]) / 2
        told = head.stretches(rows.numpy(), middle, asked)
        touching = [one for one in told.tolist() if one[0] < hit["end_sec"] and one[1] > hit["start_sec"]]
        hits.append([*(touching[0] if touching else (hit["start_sec"], hit["end_sec"])), hit["score"]])
    for hit in localized:
        assert min(np.abs(np.array([hit["start_sec"], hit["end_sec"], hit["score"]]) - hits).max(1)) < 1e-6
        assert 0 <= hit["start_sec"] < hit["end_sec"] <= SECONDS + 1e-6
    assert localized != windows and len(localized) <= len(windows)
    assert [hit["score"] for hit in localized] == sorted((hit["score"] for hit in localized), reverse=True)


def test_a_video_without_features_is_named_and_keeps_its_windows(world, tmp_path, capsys):
    shutil.copytree(world / "nlq", tmp_path / "nlq")
    note = json.loads((tmp_path / "nlq" / "head.json").read_text())
    (tmp_path / "features").mkdir()
    (tmp_path / "nlq" / "head.json").write_text(json.dumps(note | {"features": [str(tmp_path / "features")]}))
    assert found(world, "--nlq", tmp_path / "nlq") == found(world)
    assert "not localized: a: has no features in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"text": "/runs/other"}, "its questions are read by /runs/other: search with that model"),
        ({"words": "/runs/other"}, "its questions are read by /runs/other: search with that model"),
        ({"vocabulary": ["cup"]}, "does not fit checkpoint.pt beside it"),
        ({"sizes": {"wide": 3}}, "does not fit checkpoint.pt beside it"),
        (None, "holds no run of `curate nlq`"),
    ],
)
def test_another_run_is_refused_in_a_line(world, tmp_path, change, line, capsys):
    shutil.copytree(world / "nlq", tmp_path / "nlq")
    path = tmp_path / "nlq" / "head.json"
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SystemExit) as ended:
        main(["search", str(world / "run"), "lift it", "--nlq", str(tmp_path / "nlq")])
    said = capsys.readouterr().err
    assert ended.value.code == 2 and line in said and said.count("\n") == 1


class OneStretch:
    """A head that tells one stretch, whatever is asked."""

    class folders:  # noqa: N801 (an attribute of a head)
        @staticmethod
        def rows(video):
            if video == "bad":
                raise BadFeatures("bad: has no features")
            return np.zeros((4, 2))

    def stretches(self, *_):
        return np.array([[10.0, 14.0]])


def test_hits_of_one_stretch_are_one_hit_and_a_hit_elsewhere_stays():
    localizer = HitLocalizer(OneStretch())
    hits = [Hit("v", "", 11, 12, 0.9), Hit("v", "", 13, 15, 0.8), Hit("v", "", 30, 31, 0.7), Hit("bad", "", 1, 2, 0.6)]
    asked = ReadText("x", torch.zeros(2), torch.zeros(1, 2))
    assert localizer.localize(asked, hits) == [replace(hits[0], start_sec=10, end_sec=14), *hits[2:]]
    assert localizer.bad == {"bad": "bad: has no features"}
