"""EgoClip of segments: published starts and ends as they are, several captions, and all else as for points."""

import numpy as np
import pandas as pd
import pytest

from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.egoclip import build_egoclip, write_egoclip
from egocurate.curation.clips.grow_egoclip import grow_egoclip
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.clips.selection import select_clips
from egocurate.curation.config import DEFAULT_FILTERS, EgoClipConfig, ScoreRange
from egocurate.curation.egomcq.draw import one_pass
from egocurate.curation.egomcq.eligible_videos import mcq_videos
from egocurate.curation.segments.segments import segments
from egocurate.curation.segments.source import SegmentSource
from egocurate.errors import InputError
from egocurate.labels import table_label_names

ROWS = [
    # video, start, end, text, captions, split
    ("a", 1.12345678, 3.5, "#C C opens the drawer", ["opens a drawer", "#C C closes the fridge"], "train"),
    ("a", 2.0, 9.87654321, "#C C takes a knife", [], "train"),
    ("a", 70.0, 99.9, "#C C washes the plate", ["washes a plate", "  "], ""),
    ("b", 0.0, 2.0, "#C C cuts the onion", ["cuts an onion"], "train"),
    ("b", 3.0, 4.0, "#C C sits", ["sits down on a chair"], "train"),
    ("c", 1.0, 2.0, "#C C opens the door", ["opens it"], "val"),
]


def source_of(tmp_path, rows=ROWS, **columns):
    names = ["video", "start_sec", "end_sec", "text", "captions", "split"]
    table = pd.DataFrame(rows, columns=names).assign(duration=100.0, **columns)
    path = tmp_path / "s.csv"
    path.write_text("the table is what counts here")
    return SegmentSource(segments(path, table))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build_egoclip(source_of(tmp_path_factory.mktemp("segments")), EgoClipConfig())


def test_segments_keep_their_start_and_end_to_the_last_digit(built):
    rows = built.table.to_pylist()
    assert [(row["video_uid"], row["clip_start"], row["clip_end"]) for row in rows] == [row[:3] for row in ROWS[:4]]
    assert all((row["window_start"], row["window_end"]) == (row["clip_start"], row["clip_end"]) for row in rows)
    assert [row["narration_time"] for row in rows] == pytest.approx(
        [(row[1] + row[2]) / 2 for row in ROWS[:4]], abs=1e-6
    )


def test_filters_tags_neighbourhoods_and_negatives_are_those_of_points(built):
    assert built.reasons == {"min_words": 1, "val_test": 1}
    rows = built.table.to_pylist()
    assert [row["neighbourhood"] for row in rows] == [0, 0, 1, 2]
    assert [row["negatives"] for row in rows] == [[1], [0], [], []]  # of one video, at most a minute away
    verbs = built.lexicon.verbs.labels
    assert [[verbs[verb].split("_")[0] for verb in row["tag_verb"]] for row in rows[:2]] == [["open"], ["take"]]


def test_a_label_of_two_words_leaves_out_only_who_acts(tmp_path):
    said = ("wash hands", "peel", "#C C sits", "C sits", "sits down", "...")
    rows = [("a", float(at), at + 1.0, text, [], "") for at, text in enumerate(said)]
    built = build_egoclip(source_of(tmp_path, rows), EgoClipConfig())
    assert built.table["clip_text"].to_pylist() == ["wash hands", "sits down"]
    assert built.reasons == {"min_words": 3, "empty": 1}


def test_a_segment_has_the_split_of_its_own_where_a_video_has_several(tmp_path):
    mixed = [(*row[:5], split) for row, split in zip(ROWS, ("val", "train", "", "test", "test", "val"), strict=True)]
    for rows in (mixed, mixed[::-1]):
        source = source_of(tmp_path, rows)
        selection = select_clips(source.narrations(), source.videos(), EgoClipConfig())
        starts = source.narrations()["start_sec"][selection.is_clip]
        assert sorted(starts) == [2.0, 70.0]  # of video a: train, and none
        assert selection.reasons == {"val_test": 4}
        assert dict(source.videos()[["video_uid", "split"]].to_numpy()) == {"a": "train", "b": "test", "c": "val"}
        # What EgoClip shows parts of is not asked about.
        assert mcq_videos(source.videos(), "val", None, "")["video_uid"].tolist() == ["c"]


def test_each_caption_is_there_once_with_its_own_tags(built):
    rows = built.table.to_pylist()
    assert rows[0]["captions"] == ["#C C opens the drawer", "opens a drawer", "#C C closes the fridge"]
    assert rows[0]["caption_texts"] == ["opens the drawer", "opens a drawer", "closes the fridge"]
    assert rows[1]["captions"] == ["#C C takes a knife"]
    assert rows[2]["captions"] == ["#C C washes the plate", "washes a plate"]  # without the empty one
    for row in rows:
        assert (row["caption_verbs"][0], row["caption_nouns"][0]) == (row["tag_verb"], row["tag_noun"])
        assert row["caption_kinds"] == [0] * len(row["captions"]) and row["caption_weights"] == [1.0] * len(
            row["captions"]
        )
    assert rows[0]["caption_verbs"][0] == rows[0]["caption_verbs"][1] != rows[0]["caption_verbs"][2]


def test_a_kind_and_weights_of_their_own_are_kept(tmp_path):
    source = source_of(tmp_path, ROWS[:2], kind="narrator", caption_weights=[[2.0, 1.0, 0.5], None])
    rows = build_egoclip(source, EgoClipConfig()).table.to_pylist()
    assert [row["caption_kinds"] for row in rows] == [[2, 2, 2], [2]]
    assert [row["caption_weights"] for row in rows] == [[2.0, 1.0, 0.5], [1.0]]


def test_segments_with_one_text_each_have_the_columns_of_ever(tmp_path):
    rows = [(*row[:4], [], row[5]) for row in ROWS]
    assert build_egoclip(source_of(tmp_path, rows), EgoClipConfig()).table.schema.names == CLIP_SCHEMA.names


def test_the_table_is_read_back_as_it_was_written_and_grows_by_videos(tmp_path):
    out = tmp_path / "O"
    first = build_egoclip(source_of(tmp_path, ROWS[:3]), EgoClipConfig())
    write_egoclip(first, out)
    assert read_clips(out).equals(first.table)
    more = source_of(tmp_path, ROWS[3:4] + ROWS[:3])
    grown = grow_egoclip(more, EgoClipConfig(), "auto", out, first.beta)
    assert grown.table.slice(0, 3).equals(first.table) and grown.table["captions"][3].as_py()[1] == "cuts an onion"
    changed = [(*ROWS[0][:4], ["another one"], ROWS[0][5]), *ROWS[1:]]
    with pytest.raises(InputError, match="captions"):
        grow_egoclip(source_of(tmp_path, changed), EgoClipConfig(), "auto", out, first.beta)
    alone = [(*row[:4], [], row[5]) for row in ROWS]
    with pytest.raises(InputError, match="one caption there and several now"):
        grow_egoclip(source_of(tmp_path, alone), EgoClipConfig(), "auto", out, first.beta)


def test_questions_can_be_drawn_from_segments(tmp_path):
    narrations = source_of(tmp_path).narrations()
    assert {"start_sec", "captions"} <= set(one_pass(narrations, 0).columns)
    assert np.isfinite(narrations["start_sec"]).all()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (("a", 3.0, 3.0, "x", [], ""), "ends before it starts"),
        (("a", -1.0, 3.0, "x", [], ""), "ends before it starts"),
        (("a", np.nan, 3.0, "x", [], ""), "has no time"),
        (("a", 0.0, 1e8, "x", [], ""), "beyond"),
        (("", 0.0, 1.0, "x", [], ""), "names no video"),
        (("a", 0.0, 1.0, "x", [], "dev"), "split"),
    ],
)
def test_a_row_that_is_no_segment_is_named(tmp_path, row, what):
    with pytest.raises(InputError, match=rf"s\.csv: 6 .*{what}"):
        source_of(tmp_path, [*ROWS, row])


LABELS = {
    "label_verb": pd.Categorical(["open", "take", None, "cut", "cut", "open"], ["cut", "open", "take"]),
    "label_step": pd.Categorical.from_codes([0, 0, 1, 1, 1, 0], ["one", "two"]),
}


def test_classes_of_segments_are_labels_of_clips_and_come_back_from_the_file(tmp_path):
    built = build_egoclip(source_of(tmp_path, **LABELS), EgoClipConfig())
    write_egoclip(built, tmp_path / "out")
    table = read_clips(tmp_path / "out")
    assert table["label_verb"].to_pylist() == [1, 2, -1, 0]
    assert table["label_step"].to_pylist() == [0, 0, 1, 1]
    assert table_label_names(table.schema) == {"verb": ["cut", "open", "take"], "step": ["one", "two"]}
    assert "captions" in table.schema.names


def test_tables_with_labels_grow_by_clips_with_labels_of_the_same_numbers(tmp_path):
    first = source_of(tmp_path, ROWS[:3], label_step=LABELS["label_step"][:3])
    built = build_egoclip(first, EgoClipConfig())
    write_egoclip(built, tmp_path / "out")
    more = source_of(tmp_path, ROWS, label_step=LABELS["label_step"])
    grown = grow_egoclip(more, EgoClipConfig(), "auto", tmp_path / "out", built.beta)
    assert grown.table["label_step"].to_pylist() == [0, 0, 1, 1]
    assert table_label_names(grown.table.schema) == {"step": ["one", "two"]}
    others = source_of(tmp_path, ROWS, label_step=LABELS["label_step"].rename_categories(["two", "one"]))
    with pytest.raises(InputError, match="the classes of its labels would have other numbers now"):
        grow_egoclip(others, EgoClipConfig(), "auto", tmp_path / "out", built.beta)


def test_clips_of_a_low_score_are_left_out_with_that_reason(tmp_path):
    source = source_of(tmp_path, score_sharp=[0.2, 0.8, np.nan, 0.9, 0.9, 0.9])
    config = EgoClipConfig(filters=(*DEFAULT_FILTERS, "scores"), score_ranges=(ScoreRange("sharp", least=0.5),))
    built = build_egoclip(source, config)
    assert built.reasons == {"scores": 2, "min_words": 1, "val_test": 1}
    assert built.table["clip_text"].to_pylist() == ["#C C takes a knife", "#C C cuts the onion"]
    assert built.counts["scores"] == 2
