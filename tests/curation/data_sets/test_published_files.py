"""Counts of the published files, against counts made without the readers; see docs/sources.md for where to get them."""

import csv
import gzip
import io
import json
from pathlib import Path

import pandas as pd
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


def test_labels_of_egoexolearn_are_the_sets_of_one_class():
    path = published("egoexolearn") / "association_exo_train.csv.gz"
    rows = pd.read_csv(path)
    found = open_source("egoexolearn", path).segments.table
    for kind, count in (("verb", 1110), ("noun", 465)):
        single = rows[kind].str.fullmatch(r"\[\d+\]")
        expected = rows.loc[single, kind].str.strip("[]").value_counts().to_dict()
        assert found[f"label_{kind}"].value_counts().loc[lambda counts: counts > 0].to_dict() == expected
        assert sum(expected.values()) == count


def test_labels_of_hd_epic_are_called_by_its_tables_of_classes(tmp_path):
    root = published("hd-epic")
    verbs, nouns = (pd.read_csv(next(root.glob(f"HD_EPIC_{kind}_classes.csv*"))) for kind in ("verb", "noun"))
    pairs = [(verb, noun) for verb in (0, 3, len(verbs) - 1) for noun in (0, len(nouns) - 1)]
    table = pd.DataFrame({"video_id": "P01-1", "start_timestamp": range(6), "end_timestamp": range(1, 7)})
    table.assign(narration="Open it", main_action_classes=[[pair] for pair in pairs]).to_csv(
        tmp_path / "HD_EPIC_Narrations.csv"
    )
    for path in root.glob("HD_EPIC_*_classes.csv*"):
        (tmp_path / path.name).symlink_to(path)
    found = open_source("hd-epic", tmp_path).segments.table
    expected = [(verbs["key"][verb], nouns["key"][noun]) for verb, noun in pairs]
    assert list(found[["label_verb", "label_noun"]].itertuples(index=False, name=None)) == expected
    assert (len(verbs), len(nouns)) == (106, 303)


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
