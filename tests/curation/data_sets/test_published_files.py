"""Counts of the published files, against counts made without the readers; see docs/sources.md for where to get them."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from egocurate.curation.sources.open import open_source

DATA = Path(__file__).parents[4] / "shared" / "data"


def published(name):
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not there; it is not ours to ship")
    return DATA / name


def counts(source):
    return source.segments.table["narration_source"].value_counts().to_dict()


def table(path):
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.DictReader(io.StringIO(data.decode())))


def test_goal_step_has_all_steps_of_the_validation_file():
    root = published("ego4d-goalstep")
    videos = json.loads(gzip.decompress((root / "goalstep_valid.json.gz").read_bytes()))["videos"]
    steps = [step for video in videos for step in video["segments"]]
    source = open_source("goal-step", root)
    assert counts(source) == {"step": len(steps), "substep": sum(len(step["segments"]) for step in steps)}
    assert (len(steps), source.segments.skipped, len(source.videos())) == (3349, 0, 134)


def test_egoexolearn_has_every_fine_annotation():
    root = published("egoexolearn")
    rows = table(root / "association_exo_train.csv.gz")
    source = open_source("egoexolearn", root / "association_exo_train.csv.gz")
    found = source.segments.table
    assert len(found) == len({row["annotation_id"] for row in rows}) == 6270
    assert source.segments.skipped == 0
    assert found["start_sec"].tolist() == [float(row["start_sec"]) for row in rows]
    assert found["end_sec"].tolist() == [float(row["end_sec"]) for row in rows]


def test_hd_epic_has_every_time_of_a_step_and_every_activity():
    root = published("hd-epic")
    recipes = json.loads(gzip.decompress((root / "complete_recipes.json.gz").read_bytes()))
    captures = [capture for recipe in recipes.values() for capture in recipe["captures"]]
    steps, preps = (
        [time for capture in captures for times in capture[key].values() for time in times]
        for key in ("step_times", "prep_times")
    )
    activities = [row for path in sorted(root.glob("activities/*.csv")) for row in table(path)]
    source = open_source("hd-epic", root)
    found = counts(source)
    assert sum(found.values()) + source.segments.skipped == len(steps) + len(preps) + len(activities)
    timed = [one for one in (steps, preps) for one in one if one["start"] < one["end"]]
    assert found["step"] + found["prep"] == len(timed) == 4052
    videos = {row["video_id"] for row in table(root / "HD_EPIC_YouTube_URLs.csv")}
    last = [row for row in activities if row["end_time"] == "end" and row["video_id"] in videos]
    lasting = [
        row for row in activities if row["end_time"] != "end" and float(row["start_time"]) < float(row["end_time"])
    ]
    assert found["activity"] == len([row for row in last + lasting if row["high_level_activity_label"]])
