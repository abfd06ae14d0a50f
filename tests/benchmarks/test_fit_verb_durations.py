import numpy as np
import pandas as pd
import pytest

from benchmarks.epic_segments import epic_55, epic_100
from benchmarks.fit_verb_durations import LEAST_NARRATIONS, Rows, climb, cross_validated, fit, overlap, rows_of
from egocurate.errors import InputError


def rows(count=400, seed=0):
    """Invented narrations: "stir" takes four times as long as "take", and each is told half way through."""
    rng = np.random.default_rng(seed)
    verb = np.where(np.arange(count) % 2, "stir", "take").astype(object)
    verb[: LEAST_NARRATIONS - 1] = "yodel"
    seconds = np.where(verb == "stir", 4.0, 1.0) * rng.uniform(0.9, 1.1, count)
    gap = rng.uniform(6, 10, count)
    video = np.arange(count) % 10
    return Rows(video, verb, gap, gap[::-1].copy(), np.full(count, 4.0), -seconds / 2, seconds / 2)


def test_climb_finds_the_top_of_a_hill():
    top = np.array([0.3, -1.1, 2.0])
    found = climb(lambda point: -float(((point - top) ** 2).sum()), np.zeros(3))
    np.testing.assert_allclose(found, top, atol=0.02)


def test_fit_learns_the_verbs_and_a_better_reach():
    made = rows()
    found = fit(made)
    assert set(found.seconds) == {"stir", "take"}  # "yodel" is told too seldom
    assert found.seconds["take"] < found.mean_sec < found.seconds["stir"]
    assert found.seconds["stir"] == pytest.approx(4, rel=0.1)
    assert overlap(made, found, found.reach).mean() > 0.8


def test_cross_validation_scores_rows_that_the_fit_did_not_see():
    made = rows()
    # Each video has its own verb: a fit that never saw it knows the mean only, one that did knows it well.
    verb = np.array([f"verb {video}" for video in made.video], dtype=object)
    seconds = 2.0 ** (made.video % 5 - 1)
    made = Rows(made.video, verb, made.before, made.after, made.beta, -seconds / 2, seconds / 2)
    found = fit(made)
    assert cross_validated(made, made.video).mean() < overlap(made, found, found.reach).mean() - 0.1


def write_epic_100(folder, narrations):
    table = pd.DataFrame(narrations, columns=["narration", "narration_timestamp", "start_timestamp", "stop_timestamp"])
    table.insert(0, "video_id", "P01_01")
    table.to_csv(folder / "labels.csv", index=False)
    pd.DataFrame({"video_id": ["P01_01"], "duration": [100.0]}).to_csv(folder / "EPIC_100_video_info.csv", index=False)
    return folder / "labels.csv"


def test_rows_of_epic_100(tmp_path):
    path = write_epic_100(
        tmp_path,
        [
            ("wash the pan", "00:00:12.500", "00:00:12.00", "00:00:20.00"),
            ("take pan", "00:00:10.000", "00:00:09.00", "00:00:11.00"),
            ("put pan", None, "00:00:29.00", "00:00:31.00"),
            ("mug", "00:01:00.500", "00:01:00.00", "00:01:01.00"),  # too short for a clip, but it ends a gap
        ],
    )
    found = rows_of(epic_100(path))
    assert found.verb.tolist() == ["take", "wash"]
    assert found.before.tolist() == [found.beta[0], 2.5]
    assert found.after.tolist() == [2.5, 48]
    assert found.beta.tolist() == [50.5 / 2] * 2
    assert found.start.tolist() == [-1, -0.5]
    assert found.stop.tolist() == [1, 7.5]


def test_epic_55_matches_its_two_files(tmp_path):
    def save(name, rows, columns):
        table = pd.DataFrame(rows, columns=columns)
        table.assign(video_id="P01_01").to_csv(tmp_path / name, index=False)

    spoken = [("take pan", "00:00:01.0"), ("wash", "00:00:04.0"), ("take pan", "00:00:08.0"), ("wash", "00:00:09.0")]
    save("EPIC_train_action_narrations.csv.gz", spoken, ["narration", "start_timestamp"])
    labels = [
        ("take pan", "00:00:07.0", "00:00:08.5"),
        ("take pan", "00:00:00.5", "00:00:02.0"),
        ("wash", "00:00:03.0", "00:00:05.0"),  # one of two that are spoken: which, nobody knows
    ]
    save("EPIC_train_action_labels.csv.gz", labels, ["narration", "start_timestamp", "stop_timestamp"])
    pd.DataFrame({"video": ["P01_01"], "duration": [50.0]}).to_csv(tmp_path / "EPIC_video_info.csv", index=False)
    gold = epic_55(tmp_path).gold()
    np.testing.assert_array_equal(gold["gold_start"], [0.5, np.nan, 7.0, np.nan])
    np.testing.assert_array_equal(gold["gold_stop"], [2.0, np.nan, 8.5, np.nan])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv: no such file"):
        epic_100(tmp_path / "labels.csv")
