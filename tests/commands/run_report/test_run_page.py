"""The page of a training run: it stands alone, shows what the model answers, and says what is not at hand."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from egocurate.commands.curate import app, main
from egocurate.commands.run_report import reconstruction, write_run_report
from egocurate.loaders.egomcq_dataset import EgoMCQDataset
from egocurate.models.layers.patches import cubes, from_cubes
from egocurate.models.videomae.config import VideoMAEConfig
from egocurate.progress import silent
from egocurate.training.config.recipes import RECIPES
from tests.training.runs import run

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    run(replace(tiny, out=str(folder), max_steps=4))
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


def page_of(folder, json="", shards="", most=8):
    return write_run_report(folder, json, shards, most, silent)[0].read_text()


def test_the_page_stands_alone_and_has_its_parts(copy):
    page = page_of(copy)
    assert "://" not in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count('class="curve ') >= 5
    assert "loss by step" not in page and 'aria-label="Loss by step"' in page
    for part in ("answers", "mistakes", "neighbors", "settings", "curves"):
        assert f'id="{part}"' in page and f'href="#{part}"' in page
    assert "8 questions, answered by the cosine" in page
    assert 'class="missing"' not in page


def test_answers_are_those_of_the_evaluation(copy):
    page = page_of(copy)
    rows = (copy / "metrics.csv").read_text().splitlines()
    columns = rows[0].split(",")
    last = dict(zip(columns, rows[-1].split(","), strict=True))
    assert f"{float(last['mcq_inter']):.1f} % of the inter-video ones" in page
    assert f"{float(last['mcq_intra']):.1f} % of the intra-video ones" in page
    sections = re.findall(r'<section class="asked">.*?</section>', page, re.DOTALL)
    questions = [one for one in sections if "-video ·" in one]
    assert len(questions) >= 4
    for one in questions:
        assert one.count("✓ the right clip") == 1
        assert one.count("✗ chosen") == ("✗ wrong" in one)
        sure = [int(value) for value in re.findall(r"<b>(\d+) %</b>", one)]
        assert len(sure) == 5 and sure == sorted(sure, reverse=True)


def test_fewer_questions_are_answered_when_asked_for(copy):
    page = page_of(copy, most=3)
    assert "3 of 8 questions" in page


def test_again_it_is_the_same_page_until_something_changes(copy, capsys):
    app(["report", str(copy)], standalone_mode=False)
    before = (copy / "report.html").stat().st_mtime_ns
    app(["report", str(copy)], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == f"{copy / 'report.html'} (already there, unchanged)"
    assert (copy / "report.html").stat().st_mtime_ns == before
    app(["report", str(copy), "--questions", "2"], standalone_mode=False)
    assert capsys.readouterr().out.splitlines()[-1] == str(copy / "report.html")
    files = {path.name for path in copy.iterdir()}
    assert files - {"report.html"} == {path.name for path in copy.iterdir() if path.name != "report.html"}


def gone(folder):
    text = (folder / "recipe.json").read_text()
    (folder / "recipe.json").write_text(re.sub(r'"mcq_json": "[^"]+"', '"mcq_json": "/gone/egomcq.json"', text))


def test_questions_that_are_gone_leave_curves_and_a_line(copy, data):
    gone(copy)
    page = page_of(copy)
    assert page.count('class="missing"') == 1 and "/gone/egomcq.json is gone" in page
    assert 'aria-label="Loss by step"' in page and 'id="answers"' not in page
    page = page_of(copy, str(data / "egomcq.json"), str(data / "shards"))
    assert 'id="answers"' in page and 'class="missing"' not in page


def test_a_run_without_a_checkpoint_has_curves(copy):
    shutil.rmtree(copy / "checkpoints")
    page = page_of(copy)
    assert "no checkpoint yet" in page and 'aria-label="Loss by step"' in page


def test_what_a_stranger_wrote_is_text(copy):
    text = (copy / "versions.json").read_text()
    (copy / "versions.json").write_text(re.sub(r'"started": "[^"]+"', '"started": "<img src=x>"', text))
    page = page_of(copy)
    assert "<img src=x" not in page and "&lt;img src=x" in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mcq-json", "x"], "--mcq-json needs --mcq-shards"),
        (["--beside", "nowhere"], "a training run and a folder of clips cannot be compared"),
        (["RUN", "--beside", "RUN"], "two folders are compared; name one of them"),
        (["--questions", "0"], "'--questions': Input should be"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(copy, arguments, said, capsys):
    arguments = [str(copy) if argument == "RUN" else argument for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["report", str(copy), *arguments])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (copy / "report.html").exists()


def test_two_runs_are_compared_on_the_same_axes_with_what_was_set_otherwise(copy, tiny, tmp_path, capsys):
    other = shutil.copytree(copy, tmp_path / "longer")
    recipe = other / "recipe.json"
    recipe.write_text(recipe.read_text().replace('"max_steps": 4', '"max_steps": 5'))
    table = (other / "metrics.csv").read_text().splitlines()
    (other / "metrics.csv").write_text("\n".join(table[:-1]) + "\n")  # it has not come as far
    with pytest.raises(SystemExit) as ended:
        main(["report", str(copy), str(other)])
    out = copy / "report-beside-longer.html"
    assert not ended.value.code and capsys.readouterr().out == f"{out}\n"
    page = out.read_text()
    (loss,) = re.findall(r'aria-label="Loss by step".*?</section>', page, re.DOTALL)
    assert re.findall(r"</i>(\S+) <b>", loss) == ["run", "longer"] and loss.count('<polyline class="curve l') == 2
    assert "<td>run: max steps</td><td>4</td><td>5</td>" in page.replace("max_steps", "max steps")
    assert not (other / out.name).exists()


def test_a_run_that_has_logged_nothing(copy, capsys):
    (copy / "metrics.csv").unlink()
    with pytest.raises(SystemExit):
        main(["report", str(copy)])
    assert "has logged no figures yet" in capsys.readouterr().err


def test_some_questions_alone_keep_their_clips(data):
    every = EgoMCQDataset(data / "egomcq.json", data / "shards", frames=2, size=32)
    some = every.only(np.array([1, 4]))
    assert some.texts == [every.texts[1], every.texts[4]]
    assert [every.names[1], every.names[4]] == some.names
    for place, question in enumerate((1, 4)):
        assert torch.equal(some[place].frames, every[question].frames)
    assert len(some.evaluation_clips()) == len(some.clips) <= 10


def test_of_a_videomae_clips_are_filled_in(data, tmp_path):
    sizes = VideoMAEConfig.tiny()
    recipe = RECIPES["videomae-tiny"]()
    config = replace(
        recipe,
        model=sizes,
        data=replace(recipe.data, size=sizes.image, frames=sizes.frames, workers=0),
        shards=(str(data / "shards"),),
        batch_size=4,
        max_steps=2,
        log_every=1,
        checkpoint_every=2,
        out=str(tmp_path / "mae"),
        device="cpu",
    )
    run(config)
    page = page_of(tmp_path / "mae")
    assert page.count('what it fills in"') == reconstruction.CLIPS
    assert 'class="missing"' not in page and 'id="answers"' not in page
    shutil.rmtree(tmp_path / "mae" / "report.html", ignore_errors=True)
    text = (tmp_path / "mae" / "recipe.json").read_text()
    (tmp_path / "mae" / "recipe.json").write_text(text.replace(str(data / "shards"), "/gone/shards"))
    assert "not at hand: no clip can be filled in" in page_of(tmp_path / "mae")


def test_cubes_come_together_again():
    frames = torch.rand(2, 4, 3, 24, 24)
    assert torch.equal(from_cubes(cubes(frames, 2, 8), 2, 8, 24), frames)
