"""qfvs as a user runs it: planted features give summaries far above chance; what is bad is said in a line."""

import json
import shutil

import numpy as np
import pytest

from egocurate.commands.curate import main
from egocurate.curation.synthetic import SummaryRootConfig, write_summary_root
from egocurate.training.localization.qfvs_files import read_qfvs
from egocurate.training.localization.summary_task import summary_figures


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Summaries of three invented videos, and features of their shots that say what is handled, two rows a shot."""
    folder = tmp_path_factory.mktemp("summaries")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("egocurate.curation.synthetic.summary_videos.render_all", lambda *_, **__: None)
        write_summary_root(folder / "root", SummaryRootConfig(videos=3, video_sec=400.0))
    (folder / "features").mkdir()
    draw = np.random.default_rng(0)
    for video in read_qfvs(folder / "root")[0]:
        rows = np.repeat(video.shows, 2, axis=0).astype(np.float64)
        rows += draw.normal(scale=0.1, size=rows.shape)
        np.save(folder / "features" / f"{video.name}.npy", rows.astype(np.float32))
    return folder


def curate(world, *more, features="features", root="root", out="run"):
    folders = ["--features", world / features, "--annotations", world / root, "--out", world / out]
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in ("qfvs", *folders, "--rate", 0.4, "--cpu", *more)])
    return ended.value.code or 0


@pytest.fixture
def narrow(monkeypatch):
    """A small ranker."""
    from egocurate.commands.localization import summaries
    from egocurate.models.localization.config import ShotRankerConfig

    really = summaries.SummaryRequest
    sizes = ShotRankerConfig(width=32)
    monkeypatch.setattr(summaries, "SummaryRequest", lambda *given: really(*given, sizes=sizes))


def chance(videos, draw):
    """Return the F1 of shots that are drawn, the mean of many draws."""
    figures = [
        summary_figures(video, [draw.choice(len(video.shows), 4) for _ in video.summaries])["F1"]
        for video in videos
        for _ in range(20)
    ]
    return np.mean(figures)


@pytest.mark.slow
def test_summaries_of_unseen_videos_are_far_above_chance_and_a_run_goes_on(world, narrow, capsys):
    more = ("--epochs", 12, "--batch-size", 5, "--lr", 1e-2, "--share", 0.05)
    assert curate(world, *more) == 0
    said = capsys.readouterr().out
    assert "3 videos, 30 summaries" in said and "P03: 20 queries of the other videos to learn from" in said
    result = json.loads((world / "run" / "result.json").read_text())
    videos, _ = read_qfvs(world / "root")
    assert result["F1"] > 1.4 * chance(videos, np.random.default_rng(0))
    predicted = json.loads((world / "run" / "P02" / "predictions.json").read_text())
    assert predicted.keys() == {summary.name for summary in videos[1].summaries}
    assert all(len(shots) == 4 and min(shots) >= 1 and max(shots) <= 80 for shots in predicted.values())
    assert curate(world, *more) == 2
    assert "add --resume" in capsys.readouterr().err
    assert curate(world, *more, "--resume") == 0
    assert json.loads((world / "run" / "result.json").read_text()) == result


def test_a_video_without_features_is_named_and_left_out(world, narrow, tmp_path, capsys):
    for name in ("P01", "P03"):
        shutil.copy(world / "features" / f"{name}.npy", tmp_path)
    assert curate(world, "--epochs", 1, features=tmp_path, out=tmp_path / "run") == 3
    said = capsys.readouterr()
    assert "2 of 3 videos have features, 8 wide" in said.out and "bad: P02: has no features in" in said.err
    rows = np.load(tmp_path / "P03.npy")
    np.save(tmp_path / "P03.npy", rows[:100])
    assert curate(world, "--epochs", 1, features=tmp_path, out=tmp_path / "2") == 2
    said = capsys.readouterr().err
    assert "P03: has features to 250.0 s, and shots to 400 s: another rate?" in said
    assert "1 of its videos have features; two are the least" in said


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda root, file: file.write_text("3\n999\n"), "'999' is no shot of 80 in its video, from 1"),
        (lambda root, file: file.write_text(""), "has no line: another version's file?"),
        (lambda root, file: file.rename(file.with_name("Cup_oracle.txt")), "its name is not of two concepts"),
        (lambda root, file: shutil.rmtree(root / "Dense_per_shot_tags" / "P01"), "P01.txt: there is no such file"),
        (lambda root, file: shutil.rmtree(root / "Query-Focused_Summaries"), "as published"),
    ],
)
def test_annotations_of_another_form_are_refused_in_a_line(world, tmp_path, change, line, capsys):
    shutil.copytree(world / "root", tmp_path / "root")
    change(tmp_path / "root", next((tmp_path / "root").rglob("P01/*_oracle.txt")))
    assert curate(world, root=tmp_path / "root", out=tmp_path / "run") == 2
    said = capsys.readouterr().err
    assert line in said and said.count("\n") == 1
