"""What a person sees: the line, metrics.csv, TensorBoard, the pace, a terminal's line, versions.json."""

import csv
import json
import subprocess
import time
from dataclasses import replace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from egocurate.training.monitor.metrics_log import FIRST, LAST, MetricsLog, clock, progress_line
from egocurate.training.monitor.throughput import Throughput
from egocurate.training.run.versions import commit_of
from tests.training.runs import Stop, rows, run

ROW = {"loss": 2.5, "lr": 3e-5, "clips_per_sec": 1234.4, "data_wait": 0.031}


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_line():
    assert progress_line(20, 100, ROW, 3725.0) == (
        "step 20/100  loss 2.5000  lr 3.00e-05  1,234 clips/s  data wait 3%  1:02:05 left"
    )
    row = {"loss": 2.5, "mlm": 1.5, "vtm": 0.25, **ROW, "mfu": 0.412}
    assert progress_line(100, 100, row, 0.0) == (
        "step 100/100  loss 2.5000 (mlm 1.5000, vtm 0.2500)  lr 3.00e-05  1,234 clips/s  data wait 3%  MFU 41%"
    )


@pytest.mark.parametrize(
    ("seconds", "words"), [(7.4, "0:07"), (59.6, "1:00"), (9051, "2:30:51"), (172_799, "47:59:59"), (3e5, "3 d 11 h")]
)
def test_the_clock(seconds, words):
    assert clock(seconds) == words


def test_parts_of_the_loss_get_columns_and_older_rows_keep_theirs(tmp_path):
    lines = []
    log = MetricsLog(tmp_path, -1, lines.append)
    log.figures(0, "EgoMCQ", "mcq", {"inter": 20.0, "intra": 21.5})
    assert not (tmp_path / "curves.png").exists()  # there is no loss yet
    for step in (1, 2):
        log.progress(step, 3, {"loss": 2.0, "mlm": 1.5, **ROW, "mfu": 0.4}, 1.0)
    log.close()
    log = MetricsLog(tmp_path, 1, lines.append)
    log.progress(2, 3, {"loss": 1.0, "mlm": 0.5, **ROW}, None)
    log.figures(2, "EgoMCQ", "mcq", {"inter": 40.0, "intra": 30.0})
    log.close()
    found = read(tmp_path / "metrics.csv")
    assert tuple(found[0]) == (*FIRST, "mlm", *LAST)
    assert [(row["step"], row["mlm"], row["mfu"], row["mcq_inter"]) for row in found] == [
        ("0", "", "", "20.0"),
        ("1", "1.5", "0.4", ""),
        ("2", "0.5", "", ""),
        ("2", "", "", "40.0"),
    ]
    assert (tmp_path / "curves.png").stat().st_size > 10_000
    assert lines[0] == "step 0  EgoMCQ inter 20.0 %, intra 21.5 %"
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert {"loss", "mlm", "lr", "mcq_intra"} <= set(board.Tags()["scalars"])
    assert [event.value for event in board.Scalars("mlm")] == [1.5, 0.5]


@pytest.mark.slow
def test_a_resumed_run_keeps_older_rows(tiny, tmp_path):
    config = replace(tiny, out=str(tmp_path / "run"), mcq_json="", max_steps=6)
    with pytest.raises(Stop):
        run(config, stop_at=5)
    before = rows(tmp_path / "run", "step", "loss", "clips_per_sec")
    run(config, resume=True)
    after = rows(tmp_path / "run", "step", "loss", "clips_per_sec")
    assert after[:4] == before[:4]  # to the time of day: not worked out again
    assert [row[0] for row in after] == [1, 2, 3, 4, 5, 6]
    starts = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert len(starts) == 2
    assert starts[0]["packages"]["torch"] == torch.__version__
    assert starts[0]["ranks"] == sum(starts[0]["devices"].values()) == 1


def test_the_commit(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init")
    file = tmp_path / "file.py"
    file.write_text("1\n")
    assert commit_of(file) is None
    git("add", ".")
    git("commit", "-m", "first")
    git("tag", "v1")
    assert commit_of(file) == git("rev-parse", "HEAD").strip()
    file.write_text("2\n")
    assert commit_of(file) == git("rev-parse", "HEAD").strip() + "-dirty"
    (tmp_path / "other.py").write_text("1\n")
    assert commit_of(tmp_path / "other.py") is None


def test_throughput():
    throughput = Throughput(10, torch.device("cpu"))
    throughput.peak_seconds_per_step = 0.05
    for _ in range(2):
        with throughput.waiting():
            time.sleep(0.05)
        with throughput.paused():
            time.sleep(0.2)
        time.sleep(0.05)
        throughput.steps += 1
    assert throughput.seconds_to_go(5) is None  # nothing to go by
    rates = throughput.rates()
    # A sleep may be longer than asked, never shorter.
    assert rates["clips_per_sec"] <= 2 * 10 / 0.2
    assert rates["data_wait"] == pytest.approx(0.5, abs=0.2)
    assert rates["mfu"] == pytest.approx(0.05 * rates["clips_per_sec"] / 10)
    time.sleep(0.1)
    throughput.steps += 1
    assert 0.5 <= throughput.seconds_to_go(5) < 2  # all that passes counts, 0.1 s a step
    assert throughput.clips_per_sec() > 0


def test_a_task_writes_its_figures_under_names_of_its_own(tmp_path):
    said: list[str] = []
    log = MetricsLog(tmp_path, -1, said.append)
    log.progress(1, 2, {"loss": 1.0, "lr": 0.1, "clips_per_sec": 10.0, "data_wait": 0.0}, 1.0)
    log.figures(1, "classes", "test", {"top1": 41.25, "error_sec": 0.5})
    log.close()

    assert said[-1] == "step 1  classes top1 41.2 %, error 0.500 s"
    row = rows(tmp_path, "test_top1", "test_error_sec")[-1]
    assert row == [41.25, 0.5]
    assert (tmp_path / "curves.png").exists()
