"""What the report says of clips, tags, negatives, questions and what was left out, against plain counting."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.commands.report.clips import overlap_line, overlap_with_next, pass_gaps, scenario_gaps
from egocurate.commands.report.left_out import by_reason, funnel
from egocurate.commands.report.negatives import negative_pairs, shared_with_negatives
from egocurate.commands.report.questions import balance, in_words
from egocurate.commands.report.search import MOST_CLIPS, texts_to_search
from egocurate.commands.report.tags import class_counts, most_frequent, tail, untagged_words
from egocurate.curation.text.taxonomy import Lexicon, load_lexicon, taxonomy
from egocurate.questions import Question


@pytest.fixture(scope="module")
def table(made):
    return pq.read_table(made / "egoclip.parquet")


@pytest.fixture(scope="module")
def rejected(made):
    return pq.read_table(made / "rejected.parquet")


def test_the_gaps_are_those_of_the_run(made, table, rejected):
    gaps, record = pass_gaps(table, rejected), json.loads((made / "egoclip.run.json").read_text())["counts"]["beta"]
    assert len(gaps) == record["passes"] - record["passes_without_gap"]
    assert gaps["beta"].mean() == pytest.approx(record["mean"])
    assert gaps["beta"].max() == pytest.approx(record["greatest"])


def test_scenarios_are_compared_by_mean_gap(tmp_path):
    gaps = pd.DataFrame({"video_uid": ["a", "a", "b"], "beta": [2.0, 4.0, 9.0]})
    pq.write_table(
        pa.table({"video_uid": ["a", "b"], "scenarios": [["Cooking"], ["Reading", "Cooking"]]}),
        tmp_path / "videos.parquet",
    )
    assert scenario_gaps(gaps, tmp_path) == [("Reading (1)", 9.0), ("Cooking (3)", 5.0)]
    assert scenario_gaps(gaps, tmp_path / "nowhere") == []


def test_overlap_is_with_the_next_clip_of_the_same_pass():
    clips = pa.table(
        {
            "video_uid": ["v", "v", "v", "w"],
            "narration_source": ["1", "1", "2", "2"],
            "clip_start": [0.0, 1.0, 1.0, 1.0],
            "clip_end": [2.0, 3.0, 3.0, 3.0],
        }
    )
    ratios = overlap_with_next(clips)
    assert ratios.tolist() == pytest.approx([1 / 3])  # the others' next clip is of another pass, or video
    assert overlap_line(np.array([0.0, 0.5])) == (
        "50.0% of the clips overlap with the next one of their pass, on average with an IoU of 0.50."
    )
    assert overlap_with_next(clips[:1]).tolist() == []


def test_the_funnel_lists_what_took_something():
    steps, idle = funnel({"narrations": 10, "bad_time": 10, "val_test": 6, "unsure": 5, "redacted": 5})
    assert [(step.name, step.left, step.lost) for step in steps] == [
        ("narrations", 10, 0),
        ("val_test", 6, 4),
        ("unsure", 5, 1),
    ]
    assert steps[1].share + steps[1].lost_share == pytest.approx(1)
    assert idle == ["bad_time", "redacted"]


def test_each_reason_has_its_count_and_examples_of_its_own(rejected):
    reasons = by_reason(rejected, np.random.default_rng(0))
    rows = rejected.to_pylist()
    assert {reason.name: reason.count for reason in reasons} == pd.Series(
        [row["reason"] for row in rows]
    ).value_counts().to_dict()
    for reason in reasons:
        texts = {row["clip_text"] for row in rows if row["reason"] == reason.name}
        assert reason.examples and {example.text for example in reason.examples} <= texts
        assert reason.about.endswith(".")


def test_a_narration_without_a_time_is_an_example_too():
    row = {"video_uid": ["v"], "narration_time": [None], "clip_text": ["x"], "reason": ["bad_time"]}
    (reason,) = by_reason(pa.table(row), np.random.default_rng(0))
    assert reason.examples[0].time == "no time"


def test_negatives_and_what_they_share_match_a_plain_loop(table):
    anchors, negatives = negative_pairs(table, np.random.default_rng(0))
    rows = table.to_pylist()
    assert sorted(zip(anchors.tolist(), negatives.tolist(), strict=True)) == sorted(
        (row["clip_idx"], other) for row in rows for other in row["negatives"]
    )
    counted = {"same noun": 0, "same verb": 0, "both": 0, "neither": 0}
    for a, b in zip(anchors, negatives, strict=True):
        verb, noun = (set(rows[a][name]) & set(rows[b][name]) for name in ("tag_verb", "tag_noun"))
        counted["both" if verb and noun else "same verb" if verb else "same noun" if noun else "neither"] += 1
    assert dict(shared_with_negatives(table, anchors, negatives)) == counted
    assert counted["both"] == 0


def test_classes_are_counted_and_the_tail_is_told(made, table):
    lexicon = load_lexicon(made / "lexicon")
    counts = class_counts(table["tag_verb"], lexicon.verbs)
    top = most_frequent(counts, lexicon.verbs)
    assert sum(n for _, n in top) == sum(len(tags) for tags in table["tag_verb"].to_pylist())
    assert top[0][1] == counts.max()
    assert tail(counts).startswith(f"{len(top)} of {len(lexicon.verbs)} classes occur")


def test_words_of_no_group_are_counted_by_clips_in_any_inflection():
    lexicon = Lexicon(taxonomy(["cut"], [["cut", "slice"]]), taxonomy(["knife"], [["knife", "bread knife"]]))
    texts = ["slices the bread with knives", "frobs the gizmo with the gizmo", "frobs a cut"]
    assert untagged_words(pa.table({"text": [*texts, texts[1]]}), lexicon) == [("frobs", 3), ("gizmo", 2)]


def test_answer_slots_are_counted_by_type():
    asked = {str(i): Question("", (), answer=i % 4, type=1 + i % 2) for i in range(8)}
    assert [(kind.count, kind.slots) for kind in balance(asked)] == [
        (4, [("A", 2), ("B", 0), ("C", 2), ("D", 0), ("E", 0)]),
        (4, [("A", 0), ("B", 2), ("C", 0), ("D", 2), ("E", 0)]),
    ]


def test_counts_of_questions_are_told_in_words():
    words = in_words({"inter": 0, "inter_asked": 30, "intra": 72, "intra_asked": 72})
    assert words == (
        "0 between videos: the five clips are of five videos (inter); 30 were asked for, and these videos give no "
        "more. 72 inside one video: all five are of it (intra)."
    )


def test_the_search_holds_all_texts_of_a_small_folder_and_says_so(made, table, rejected):
    texts = texts_to_search(table, rejected, load_lexicon(made / "lexicon"))
    assert len(texts.rows) == table.num_rows + rejected.num_rows
    assert {row[1] for row in texts.rows if not row[4]} == set(table["key"].to_pylist())
    assert texts.about == f"all {table.num_rows:,} clips and {rejected.num_rows:,} narrations that were left out"


def test_the_search_holds_a_sample_of_a_large_folder_and_says_so(made, table, rejected):
    many = pa.concat_tables([table] * (MOST_CLIPS // table.num_rows + 1))
    texts = texts_to_search(many, rejected[:0], load_lexicon(made / "lexicon"))
    assert len(texts.rows) == MOST_CLIPS
    assert texts.about == f"a sample: {MOST_CLIPS:,} clips of {many.num_rows:,}"
