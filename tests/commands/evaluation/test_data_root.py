"""The folder of `curate eval --all`: what is found in it."""

from pathlib import Path

import pytest

from egocurate.commands.evaluation.data_root import find_data
from egocurate.errors import InputError


def make(root, *paths):
    for path in paths:
        place = root / path
        if place.suffix:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        else:
            place.mkdir(parents=True)


def test_a_whole_folder(tmp_path):
    make(tmp_path, "egomcq.json", "egomcq-shards", "epic/retrieval_annotations", "epic/shards", "retrieval.csv")
    make(tmp_path, "charades/CharadesEgo", "charades/CharadesEgo_v1_480", "retrieval-videos")
    make(tmp_path, "zero-shot/epic", "zero-shot/k400", "zero-shot/epic.verb.csv", "zero-shot/epic.templates.txt")
    found, halves = find_data(tmp_path, "all")
    assert not halves
    assert (found.mcq_json, found.mcq_mode) == (str(tmp_path / "egomcq.json"), "all")
    assert (found.epic_shards, found.charades) == (
        str(tmp_path / "epic/shards"),
        str(tmp_path / "charades/CharadesEgo"),
    )
    epic, k400 = found.zero_shot
    assert (epic.title, k400.title) == ("zero-shot/epic", "zero-shot/k400")
    assert epic.label_names == (f"verb={tmp_path / 'zero-shot/epic.verb.csv'}",)
    assert epic.templates == str(tmp_path / "zero-shot/epic.templates.txt")
    assert (k400.label_names, k400.templates) == ((), "")
    assert (found.retrieval.videos, found.retrieval.shards) == (str(tmp_path / "retrieval-videos"), "")


def test_a_half_is_named_and_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has none of egomcq\.json"):
        find_data(tmp_path)
    make(tmp_path, "retrieval.csv", "epic/shards")
    found, halves = find_data(tmp_path)
    assert halves == {
        "epic-retrieval": f"{tmp_path} has no epic/retrieval_annotations",
        "retrieval": f"{tmp_path} has no retrieval-shards or retrieval-videos",
    }
    assert found.retrieval is None
    assert not found.epic_shards


def test_shards_of_videos_to_retrieve(tmp_path):
    make(tmp_path, "retrieval.csv", "retrieval-shards", "retrieval-videos")
    assert find_data(Path(tmp_path)).benchmarks.retrieval.shards == str(tmp_path / "retrieval-shards")
