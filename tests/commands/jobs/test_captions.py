"""`curate egoclip --source segments` and `curate captions`, by the command line."""

import json
import pickle

import pytest

from egocurate.commands.report.strips import clip_strip
from egocurate.curation.clips.read_clips import read_clips
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.shards.read.index import ShardIndex


@pytest.fixture(scope="module")
def ray():
    """No Ray: for so few clips none is started."""


@pytest.fixture(scope="module")
def segments(tiny_root, tmp_path_factory):
    """A jsonl of segments: of each narration of the tiny root, with two captions."""
    source = Ego4DSource(tiny_root)
    videos = source.videos().set_index("video_uid")
    said = source.narrations()
    said = said[said["narration_time"].between(0, 15) & (said["narration_text"] != "")]
    said = said.assign(place=said.groupby("video_uid").cumcount())
    rows = [
        {
            "video": videos["path"][one.video_uid],
            "start_sec": one.narration_time,
            "end_sec": one.narration_time + 1.23456789,
            "texts": [one.narration_text, f"{one.narration_text} once more"],
            "split": videos["split"][one.video_uid],
            "label_turn": "odd" if one.place % 2 else "even",
            "score_sharp": one.place / 10,
        }
        for one in said.itertuples()
        if videos["path"][one.video_uid]
    ]
    path = tmp_path_factory.mktemp("segments") / "segments.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def tables(segments, tmp_path_factory):
    """Where an EgoClip of the segments will be."""
    return tmp_path_factory.mktemp("tables")


def test_segments_become_an_egoclip_and_a_file_adds_captions_to_it(run, segments, tables, tiny_root):
    made = run("egoclip", "--source", "segments", "--csv", segments, "--out", tables / "O", "--tables-only", "--json")
    assert made.status == 0 and "alpha" not in made.summary
    clips = read_clips(tables / "O").to_pylist()
    given = {round(row["start_sec"], 9): row for row in map(json.loads, segments.read_text().splitlines())}
    for clip in clips:
        row = given[round(clip["clip_start"], 9)]
        assert (clip["clip_start"], clip["clip_end"]) == (row["start_sec"], row["end_sec"])
        assert clip["captions"] == row["texts"]

    rephrased = tables / "rephrased.pkl"
    rows = [(c["video_uid"], round(c["clip_start"], 3), c["clip_end"], [f"model says {c['text']}"]) for c in clips]
    rephrased.write_bytes(pickle.dumps([*rows, ("elsewhere", 0.0, 1.0, ["#C C sees nothing"])]))
    command = ["captions", tables / "O", "--add", rephrased, "--weight", "0.5", "--out", tables / "C", "--json"]
    added = run(*command)
    assert added.status == 0
    count = len(clips)
    assert {name: added.summary[name] for name in ("segments", "matched_exactly", "unmatched", "captions")} == {
        "segments": count + 1,
        "matched_exactly": count,
        "unmatched": 1,
        "captions": 3 * count,
    }
    assert (tables / "C" / "unmatched.csv").read_text().splitlines()[1:] == ["elsewhere,0.0,1.0,#C C sees nothing"]
    for before, now in zip(clips, read_clips(tables / "C").to_pylist(), strict=True):
        assert now["captions"] == [*before["captions"], f"model says {before['text']}"]
        assert now["caption_kinds"] == [0, 0, 1] and now["caption_weights"] == [1.0, 1.0, 0.5]
        assert {name: now[name] for name in before if not name.startswith("caption")} == {
            name: value for name, value in before.items() if not name.startswith("caption")
        }
    assert run(*command).summary["tables"] == "already there, unchanged"
    twice = run("captions", tables / "C", "--add", rephrased, "--out", tables / "D", "--json")
    assert twice.summary["captions"] == 3 * count  # the same texts are not added again

    cut = run("shards", "--egoclip", tables / "C", "--ego4d-root", tiny_root, "--out", tables / "S", "--json")
    assert cut.status == 0 and cut.summary["samples"] == count
    index = ShardIndex.open(tables / "S")
    assert [one.kind for one in index.captions.of(0)] == ["human", "human", "rephrased"]
    shown = run("show", tables / "S", 0)
    assert f"{index.captions.of(0)[2].clip_text} (rephrased, " in shown.out and ", weight 0.5)" in shown.out
    strip = clip_strip(index, index.row(0), play=False)  # as the page of `curate report` has it
    assert strip.captions[1] == f"{index.captions.of(0)[2].clip_text} (rephrased)" and len(strip.captions) == 2
    assert run("verify", tables / "S").status == 0


@pytest.mark.parametrize("option", [("--window", "egoclip"), ("--alpha", "3")])
@pytest.mark.parametrize("verb", ["egoclip", "egomcq"])
def test_a_window_for_segments_is_refused_in_one_line(run, segments, tmp_path, verb, option):
    done = run(verb, "--source", "segments", "--csv", segments, "--out", tmp_path / "O", *option)
    assert done.status == 2 and len(done.err.splitlines()) == 1
    assert f"{option[0]} {option[1]}: the clips of --source segments have their own start and end" in done.err
    assert not (tmp_path / "O").exists()


def test_windows_of_segments_are_not_compared(run, segments):
    done = run("windows", "--source", "segments", "--root", segments)
    assert done.status == 2 and "their own start and end" in done.err


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ([("elsewhere", 0.0, 1.0, ["x"])], "none of its 1 segments is a clip of"),
        ([{"video": "x"}], "not a pickle of lists, texts and numbers alone"),
        ([], "holds no list of"),
    ],
)
def test_a_file_that_adds_nothing_is_refused(run, segments, tables, tmp_path, content, what):
    if not (tables / "O").exists():
        run("egoclip", "--source", "segments", "--csv", segments, "--out", tables / "O", "--tables-only", "--json")
    (tmp_path / "r.pkl").write_bytes(pickle.dumps(content))
    done = run("captions", tables / "O", "--add", tmp_path / "r.pkl", "--out", tmp_path / "C")
    assert done.status == 2 and what in done.err and len(done.err.splitlines()) == 1
    assert not (tmp_path / "C" / "egoclip.parquet").exists()


@pytest.mark.parametrize(("option", "value"), [("--weight", "0"), ("--weight", "nan"), ("--min-overlap", "1.5")])
def test_numbers_that_cannot_be_are_refused(run, segments, tables, tmp_path, option, value):
    done = run("captions", tables, "--add", segments, "--out", tmp_path / "C", option, value)
    assert done.status == 2 and f"{option} {float(value)}" in done.err


def test_classes_of_segments_are_labels_of_shards_and_low_scores_are_left_out(run, segments, tables):
    command = ["egoclip", "--source", "segments", "--csv", segments, "--out", tables / "L", "--json"]
    made = run(*command, "--min-score", "sharp=0.1", "--max-score", "sharp=0.2")
    assert made.status == 0 and made.summary["rejected"]["scores"] > 0
    index = ShardIndex.open(tables / "L" / "shards")
    assert index.label_names == {"turn": ["even", "odd"]}
    rows = {row["key"]: row for row in read_clips(tables / "L").to_pylist()}
    for sample in range(len(index)):
        row = rows[index.key(sample)]
        assert row["narration_ind"] in (1, 2)
        assert index.labels["turn"][sample] == row["label_turn"] == row["narration_ind"] % 2
    wrong = run(*command[:-2], tables / "W", "--min-score", "blur=1")
    assert wrong.status == 2 and "there is no score 'blur' of these clips (there are sharp)" in wrong.err
    assert run(*command[:-2], tables / "W", "--min-score", "sharp").status == 2
