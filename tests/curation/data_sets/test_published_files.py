"""Counts of the published files, against counts made without the readers; see docs/sources.md for where to get them."""

import ast
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


def test_egtea_has_every_clip_of_both_lists_with_its_labels():
    root = published("egtea")
    columns = ["clip", "action", "verb", "noun", *range(3)]
    lists = [pd.read_csv(root / f"{name}_split1.txt", sep=" ", names=columns) for name in ("test", "train")]
    rows = pd.concat(lists, ignore_index=True)
    names = {
        kind: dict(line.rsplit(" ", 1)[::-1] for line in (root / f"{kind}_idx.txt").read_text().splitlines())
        for kind in ("action", "verb", "noun")
    }
    source = open_source("egtea", root)
    found = source.segments.table
    assert len(found) == len(rows) == 10_321 and source.segments.skipped == 0
    assert found["split"].value_counts().to_dict() == {"train": 8299, "test": 2022}
    times = rows["clip"].str.extract(r"-(\d+)-(\d+)-F").astype(int) / 1000
    assert found[["start_sec", "end_sec"]].to_numpy().tolist() == times.to_numpy().tolist()
    for kind in ("action", "verb"):
        assert found[f"label_{kind}"].tolist() == rows[kind].astype(str).map(names[kind]).tolist()
    single = rows[0].isna().to_numpy()
    nouns = found["label_noun"].astype(object)
    assert nouns[single].tolist() == rows["noun"][single].astype(str).map(names["noun"]).tolist()
    assert nouns[~single].isna().all() and single.sum() == 9816


def test_charades_ego_has_every_action_of_its_lists():
    root = published("charades-ego")
    for path in sorted(root.glob("CharadesEgo_*.csv")):
        actions = pd.read_csv(path)["actions"].dropna().str.split(";").explode()
        parts = actions.str.extract(r"(?P<code>c\d{3}) (?P<start>\S+) (?P<end>\S+)")
        timed = parts[parts["start"].astype(float) < parts["end"].astype(float)]
        source = open_source("segments", path)
        found = source.segments.table
        assert (len(found), source.segments.skipped) == (len(timed), len(parts) - len(timed))
        assert found["start_sec"].tolist() == timed["start"].astype(float).tolist()
        assert found["end_sec"].tolist() == timed["end"].astype(float).tolist()
        assert found["label_action"].cat.codes.tolist() == [int(code[1:]) for code in timed["code"]]


def test_hd_epic_has_every_narration_with_its_main_action():
    root = published("hd-epic-narrations")
    rows = pd.read_csv(root / "HD_EPIC_Narrations.csv")
    main = rows["main_action_classes"].map(ast.literal_eval)
    single = main.map(len).to_numpy() == 1
    found = open_source("hd-epic", root).segments.table
    assert found["text"].str.removeprefix("#C C ").tolist() == rows["narration"].str.strip().tolist()
    assert found["start_sec"].tolist() == rows["start_timestamp"].tolist()
    assert found["end_sec"].tolist() == rows["end_timestamp"].tolist()
    for place, kind in enumerate(("verb", "noun")):
        assert found.loc[single, f"label_{kind}"].astype(int).tolist() == [one[0][place] for one in main[single]]
        assert found.loc[~single, f"label_{kind}"].isna().all()
