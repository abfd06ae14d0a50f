import json
from collections import Counter

import numpy as np
import pytest

from benchmarks.full_size_root import main, write_full_size_root
from benchmarks.full_size_words import NOUNS, VERBS, draw_texts, third_person
from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import load_lexicon


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    root = tmp_path_factory.mktemp("full-size")
    assert abs(write_full_size_root(root, 80, 16_000) - 16_000) < 80
    return Ego4DSource(root)


def test_the_quirks_of_the_real_one_are_there(source):
    narrations, videos = source.narrations(), source.videos()
    assert len(videos) == 80
    assert set(narrations["narration_source"]) == {"narration_pass_1", "narration_pass_2"}
    assert {"val", "test", "train"} <= set(videos["split"])
    assert videos["scene"].nunique() < 80
    assert narrations["video_uid"].nunique() < 80
    steps = np.diff(narrations["narration_time"].to_numpy())[np.diff(narrations["narration_ind"].to_numpy()) == 1]
    assert 0 < (steps < 0).mean() < 0.1
    assert 0 < (steps == 0).mean() < 0.1
    counts = select_clips(narrations, videos, EgoClipConfig()).counts
    left = list(counts.values())
    taken = {name: before - after for (name, after), before in zip(list(counts.items())[1:], left, strict=False)}
    assert all(taken[name] > 0 for name in ("val_test", "min_words", "unsure", "beyond_video"))
    assert left[-1] > 8_000


def test_the_same_seed_gives_the_same_files(tmp_path, monkeypatch, capsys):
    for folder in ("a", "b"):
        args = ["full_size_root", "--out", str(tmp_path / folder), "--videos", "8", "--narrations", "400"]
        monkeypatch.setattr("sys.argv", args)
        main()
    assert "8 videos, 399 narrations" in capsys.readouterr().out
    names = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len(json.loads((tmp_path / "a" / "ego4d.json").read_text())["videos"]) == 8


def test_texts_are_drawn_by_zipf_and_have_their_tags(source):
    texts = draw_texts(np.random.default_rng(0), 20_000)
    assert 0.5 < len(set(texts)) / len(texts) < 0.95
    verbs = Counter(text.split()[2] for text in texts if text.startswith("#C C"))
    assert verbs["takes"] > 10 * verbs["kneels"] > 0
    lexicon = load_lexicon(source.lexicon_dir())
    tags = tag_texts([f"#C C {third_person('pick up')} the skillet", "#C C washes a cup"], lexicon)
    labels = [(lexicon.verbs.labels[v[0]], lexicon.nouns.labels[n[0]]) for v, n in tags]
    assert labels == [("take", "pan"), ("wash", "cup")]


def test_no_form_is_of_two_classes_of_one_kind():
    for groups in (VERBS, NOUNS):
        forms = Counter(form for group in groups.values() for form in group)
        assert [form for form, count in forms.items() if count > 1] == []
