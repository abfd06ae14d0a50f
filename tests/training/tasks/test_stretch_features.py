"""`curate features --stretches --texts`: rows in the file's order, whatever the ranks, the stops and the bad ones."""

import csv
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch

import egocurate
from egocurate.commands.curate import app, main
from egocurate.loaders.evaluation_clips import EvaluationClips
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.shards.read.index import ShardIndex
from egocurate.storage.parquet import read_parquet
from egocurate.training.config.loss_configs import Reconstruction
from egocurate.training.tasks import stretch_features
from egocurate.training.tasks.feature_files import FORMS, read_rows
from tests.training.ranks import together
from tests.training.runs import run

ROWS = [("b", 3.0, 4.0), ("a", 0.0, 1.0), ("a", 4.0, 5.0), ("b", 0.0, 1.0), ("a", 3.5, 6.0)]
TEXTS = ["#O A moves cup 1", "#C C moves cup 1.", "opens door"]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A run of two steps."""
    out = tmp_path_factory.mktemp("trained") / "run"
    run(replace(tiny, out=str(out), mcq_json="", max_steps=2))
    return out


@pytest.fixture
def videos(data, tmp_path):
    """The video of the shards under two names, and one that is none."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(data / "video.mp4", folder / f"{name}.mp4")
    (folder / "broken.mp4").write_bytes(bytes(3000))
    return folder


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "stretches.csv", ROWS)


def write_table(path, rows):
    lines = [
        "video,start_sec,end_sec,name",
        *(f"{video},{start},{end},n{i}" for i, (video, start, end) in enumerate(rows)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def features(*arguments):
    return app(["features", *map(str, arguments)], standalone_mode=False) or 0


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main(["features", *map(str, arguments)])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_rows_are_those_of_the_model_and_of_the_shards(trained, videos, table, data, tmp_path, capsys):
    out = tmp_path / "out"
    assert features(trained, "--videos", videos, "--stretches", table, "--out", out) == 0
    rows = torch.load(out / "stretches.pt")
    assert rows.dtype == torch.float32 and rows.shape == (5, 8)
    model = egocurate.load_model(trained, device="cpu")
    for name in ("a", "b"):
        mine = [place for place, row in enumerate(ROWS) if row[0] == name]
        expected = model.embed_video(videos / f"{name}.mp4", [ROWS[place][1:] for place in mine])
        assert torch.equal(rows[mine], expected)
    clips = EvaluationClips(ShardIndex.open(data / "shards"), (3, 0, 4, 0), frames=4, size=32)
    torch.testing.assert_close(rows[:4], model.embed_frames(torch.stack(list(clips))))
    assert f"5 of 5 stretches have features in {out / 'stretches.pt'}" in capsys.readouterr().out
    assert not (out / "stretches.parts").exists() and not (out / "stretches.failed.csv").exists()


def test_each_form_has_the_same_rows_and_a_table_says_what_they_are(trained, videos, table, tmp_path):
    for form in FORMS:
        made = features(trained, "--videos", videos, "--stretches", table, "--form", form, "--out", tmp_path / "out")
        assert made == 0
    one, two, three = (read_rows(tmp_path / "out" / f"stretches.{form}") for form in FORMS)
    assert np.array_equal(one, two) and np.array_equal(one, three)
    found = read_parquet(tmp_path / "out" / "stretches.parquet")
    assert found.schema.field("embedding").type == pa.list_(pa.float32(), 8)
    assert list(zip(*(found[name].to_pylist() for name in ("video", "start_sec", "end_sec")), strict=True)) == ROWS
    assert found["name"].to_pylist() == [f"n{i}" for i in range(5)]


def test_long_videos_have_each_form(trained, videos, tmp_path):
    (videos / "broken.mp4").unlink()
    for form in FORMS:
        assert features(trained, "--videos", videos, "--rate", "2", "--form", form, "--out", tmp_path / "out") == 0
    one, two, three = (read_rows(tmp_path / "out" / f"a.{form}") for form in FORMS)
    assert len(one) == 54 and np.array_equal(one, two) and np.array_equal(one, three)
    found = read_parquet(tmp_path / "out" / "a.parquet")
    assert np.allclose(found["start_sec"].to_numpy(), np.arange(54) / 2)
    assert np.allclose(found["end_sec"].to_numpy(), np.arange(1, 55) / 2)


def test_a_bad_video_costs_its_rows_alone_and_is_tried_again(trained, videos, data, tmp_path, capsys):
    table = write_table(tmp_path / "stretches.csv", [("broken", 1.0, 2.0), *ROWS, ("broken", 0.0, 1.0)])
    line = (trained, "--videos", videos, "--stretches", table, "--form", "parquet", "--out", tmp_path / "out")
    with pytest.raises(SystemExit) as left:
        main(["features", *map(str, line)])
    assert left.value.code == 3
    said = capsys.readouterr()
    assert "5 of 7 stretches" in said.out
    assert f"bad: row 1, {videos}/broken.mp4, 1 to 2 s (cannot open" in said.err
    path = tmp_path / "out" / "stretches.parquet"
    rows = read_rows(path)
    assert np.isnan(rows).any(axis=1).tolist() == [True, *[False] * 5, True]
    assert read_parquet(path)["embedding"].null_count == 2
    with (tmp_path / "out" / "stretches.failed.csv").open() as file:
        failed = list(csv.DictReader(file))
    assert [(one["row"], one["name"], one["video"]) for one in failed] == [("1", "n0", "broken"), ("7", "n6", "broken")]
    assert all(one["reason"].startswith("cannot open") for one in failed)

    again = read_rows(path)
    shutil.copy(data / "video.mp4", videos / "broken.mp4")
    assert "other videos" in refused(capsys, *line)  # of the bytes that it had
    shutil.rmtree(tmp_path / "out")
    assert features(*line) == 0
    whole = read_rows(path)
    assert np.array_equal(whole[1:6], again[1:6]) and not np.isnan(whole).any()


def test_after_a_stop_only_what_is_missing_is_embedded(trained, videos, table, tmp_path, monkeypatch):
    line = (trained, "--videos", videos, "--stretches", table, "--form", "npy", "--out", tmp_path / "out")
    whole = stretch_features._write_part

    def stops_at_the_second(path, *content):
        if list(path.parent.glob("[!.]*.npz")):
            raise BrokenPipeError("stopped here")
        whole(path, *content)

    monkeypatch.setattr(stretch_features, "_write_part", stops_at_the_second)
    with pytest.raises(BrokenPipeError, match="stopped here"):
        features(*line)
    assert [path.name for path in (tmp_path / "out" / "stretches.parts").iterdir()] == ["a.npz"]
    assert not (tmp_path / "out" / "stretches.npy").exists()
    read = []

    def noted(path, *rest, **shown):
        read.append(path.name)
        return really(path, *rest, **shown)

    really = stretch_features.shown_or_why_not
    monkeypatch.setattr(stretch_features, "_write_part", whole)
    monkeypatch.setattr(stretch_features, "shown_or_why_not", noted)
    assert features(*line, "--set", "data.workers=0") == 0
    assert read == ["b.mp4"]
    assert features(*line, "--set", "data.workers=0") == 0
    assert read == ["b.mp4"]
    assert read_rows(tmp_path / "out" / "stretches.npy").shape == (5, 8)


def test_two_ranks_and_workers_write_what_one_process_does(trained, videos, table, tmp_path):
    line = (trained, "--videos", videos, "--stretches", table, "--out")
    assert features(*line, tmp_path / "one") == 0
    together(2, features, *line, tmp_path / "two", "--set", "data.workers=2")
    one, two = (read_rows(tmp_path / name / "stretches.pt") for name in ("one", "two"))
    assert np.allclose(one, two, rtol=1e-5, atol=1e-6)


def test_texts_are_read_as_the_model_has_learned_them(trained, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    line = (trained, "--texts", tmp_path / "texts.txt", "--form")
    for form in ("npy", "parquet"):
        assert features(*line, form, "--out", tmp_path / "out") == 0
        assert features(*line, form, "--out", tmp_path / "raw", "--set", "data.text=raw") == 0
    normalized, raw = (read_rows(tmp_path / name / "texts.npy") for name in ("out", "raw"))
    model = egocurate.load_model(trained, device="cpu")
    assert np.array_equal(normalized, model.embed_text(["moves cup 1", "moves cup 1", "opens door"]).numpy())
    assert np.array_equal(raw, model.embed_text(TEXTS).numpy())
    assert np.array_equal(normalized[0], normalized[1]) and not np.allclose(raw[0], raw[1])
    assert read_parquet(tmp_path / "out" / "texts.parquet")["text"].to_pylist() == TEXTS
    (tmp_path / "texts.csv").write_text("id,text\n" + "".join(f'{i},"{text}"\n' for i, text in enumerate(TEXTS)))
    assert features(trained, "--texts", tmp_path / "texts.csv", "--form", "npy", "--out", tmp_path / "csv") == 0
    assert np.array_equal(read_rows(tmp_path / "csv" / "texts.npy"), normalized)


def test_a_model_without_texts_has_features_of_stretches(tiny, videos, table, tmp_path, capsys):
    sizes = {"system": "videomae", "model": VideoMAEConfig.tiny(), "objective": Reconstruction()}
    run(replace(tiny, out=str(tmp_path / "mae"), mcq_json="", max_steps=1, **sizes))
    line = (tmp_path / "mae", "--videos", videos, "--stretches", table, "--form", "npy")
    assert features(*line, "--out", tmp_path / "out") == 0
    rows = read_rows(tmp_path / "out" / "stretches.npy")
    assert rows.shape == (5, VideoMAEConfig.tiny().width)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    (tmp_path / "texts.txt").write_text("opens door\n")
    said = refused(capsys, *line, "--texts", tmp_path / "texts.txt", "--out", tmp_path / "no")
    assert "videomae has no text tower: leave --texts out" in said


def test_what_is_wrong_is_one_line_and_loses_nothing(trained, videos, table, tmp_path, capsys):
    out = tmp_path / "out"
    assert features(trained, "--videos", videos, "--stretches", table, "--out", out) == 0
    before = (out / "stretches.pt").read_bytes()
    beyond = write_table(tmp_path / "beyond.csv", [("a", 1, 2), ("a", 27, 28)])
    unknown = write_table(tmp_path / "unknown.csv", [("c", 1, 2)])
    (tmp_path / "empty.txt").write_text("opens door\n\ncloses door\n")
    (tmp_path / "texts.csv").write_text("sentence\nopens door\n")
    stretches = ("--videos", videos, "--stretches")
    for arguments, words in [
        ((*stretches, beyond), "row 2, 27 to 28 s, lies outside"),
        ((*stretches, unknown), "line 2: video 'c' is not among the 3 of --videos, as 'a'"),
        ((*stretches, tmp_path / "none.csv"), "no such file"),
        (("--stretches", table), "name with --videos the folder where its videos are"),
        ((), "nothing to embed: give --videos, or --texts"),
        ((*stretches, table, "--form", "mp3"), "--form"),
        (("--texts", tmp_path / "empty.txt"), "text 2 is empty"),
        (("--texts", tmp_path / "texts.csv"), "column 'text' is missing (there are sentence)"),
    ]:
        assert words in refused(capsys, trained, *arguments, "--out", tmp_path / "new")
    assert "other stretches, other videos" in refused(
        capsys, trained, *stretches, write_table(tmp_path / "other.csv", ROWS[:1]), "--out", out
    )
    assert "frames (4 -> 2)" in refused(capsys, trained, *stretches, table, "--out", out, "--set", "data.frames=2")
    assert (out / "stretches.pt").read_bytes() == before
