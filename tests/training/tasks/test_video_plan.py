"""What embedding videos will take: their hours, what cannot be opened, and an estimate that follows who works."""

import pytest

from egocurate.training.tasks.video_plan import Pace, VideoPlan, plan_videos
from tests.training.tasks.test_features import FPS, LENGTHS, write_video


def test_a_gpu_embeds_while_others_decode_and_a_cpu_does_not():
    assert Pace(workers=4, ranks=1, on_gpu=True).seconds(decode=80, embed=10) == 20
    assert Pace(workers=4, ranks=2, on_gpu=True).seconds(decode=8, embed=10) == 5
    assert Pace(workers=4, ranks=2, on_gpu=False).seconds(decode=80, embed=10) == 15
    assert Pace(workers=0, ranks=1, on_gpu=True).seconds(decode=80, embed=10) == 90


def test_nothing_is_promised_of_what_does_not_open(tmp_path):
    (tmp_path / "noise.mp4").write_bytes(bytes(50))
    none = plan_videos({"noise": tmp_path / "noise.mp4"}, pytest.fail, pytest.fail, Pace(1, 1, False))
    assert none == VideoPlan(1, 1, 0.0, 0.0) and str(none) == "1 video to embed (1 cannot be opened)"


def test_hours_add_up(tmp_path, monkeypatch):
    for seed, (name, count) in enumerate(LENGTHS.items()):
        write_video(tmp_path / f"{name}.mp4", seed, count)
    monkeypatch.setattr("egocurate.training.tasks.video_plan._timed", lambda *_: (0.5, 0.25, 2.0))
    plan = plan_videos({path.stem: path for path in tmp_path.iterdir()}, None, None, Pace(1, 1, False))
    seconds = sum(LENGTHS.values()) / FPS
    assert plan.hours * 3600 == pytest.approx(seconds, abs=0.5)
    assert plan.seconds == pytest.approx(1.5 * plan.hours * 3600)
