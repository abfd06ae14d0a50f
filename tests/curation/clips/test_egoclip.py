import importlib.util
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.clip_table import CSV_COLUMNS, clip_key
from egocurate.curation.clips.egoclip import build_egoclip, build_tables, open_lexicon, write_egoclip
from egocurate.curation.clips.read_clips import complete_clips
from egocurate.curation.clips.write_csv import write_csv
from egocurate.curation.config import DEFAULT_FILTERS, EgoClipConfig
from egocurate.curation.sources.ego4d import Ego4DSource
from egocurate.curation.text import tag_table
from egocurate.curation.text.tag_table import earlier_tags, tag_distinct
from egocurate.curation.text.tagger import tag_texts
from egocurate.curation.text.taxonomy import load_lexicon
from egocurate.errors import InputError
from egocurate.workers.local import LocalWorkers
from tests.curation import hostile_root as hostile
from tests.curation.hostile_root import write_hostile_root

TAXONOMY = Path(__file__).parents[3] / "../shared/data/ego4d-taxonomy"

COLUMNS = {
    "clip_idx": pa.int64(),
    "video_uid": pa.string(),
    "video_dur": pa.float64(),
    "narration_source": pa.string(),
    "narration_ind": pa.int64(),
    "narration_time": pa.float64(),
    "clip_start": pa.float64(),
    "clip_end": pa.float64(),
    "clip_text": pa.string(),
    "tag_verb": pa.list_(pa.int32()),
    "tag_noun": pa.list_(pa.int32()),
    "key": pa.string(),
    "text": pa.string(),
    "window_start": pa.float64(),
    "window_end": pa.float64(),
    "neighbourhood": pa.int64(),
    "negatives": pa.list_(pa.int64()),
}


@pytest.fixture(scope="module")
def egoclip(hostile_root):
    return build_egoclip(Ego4DSource(hostile_root), EgoClipConfig())


def rows_of(table):
    return {(row["video_uid"], row["narration_source"], row["narration_ind"]): row for row in table.to_pylist()}


def write_root(root, passes, duration=100.0):
    """Write a root of videos v0, v1, ...; `passes` has one list of (time, text) per video."""
    folder = root / "v2" / "annotations"
    folder.mkdir(parents=True)
    narrations = {}
    for number, rows in enumerate(passes):
        items = [{"timestamp_sec": time, "narration_text": text} for time, text in rows]
        narrations[f"v{number}"] = {"narration_pass_1": {"narrations": items}}
    (folder / "narration.json").write_text(json.dumps(narrations))
    videos = [{"video_uid": uid, "duration_sec": duration} for uid in narrations]
    (root / "ego4d.json").write_text(json.dumps({"videos": videos}))
    for name, words in (("verb", ["open", "take"]), ("noun", ["cup", "door"])):
        lines = [f"{word},\"['{word}']\"" for word in words]
        (folder / f"narration_{name}_taxonomy.csv").write_text("\n".join(["label,group", *lines]) + "\n")
    return Ego4DSource(root)


def test_every_narration_has_the_fate_it_should_have(egoclip):
    fates = dict.fromkeys(rows_of(egoclip.table), "")
    for key, row in rows_of(egoclip.rejected).items():
        assert key not in fates
        fates[key] = row["reason"]
    assert fates == hostile.expected()


def test_counts_are_what_is_left_after_each_filter(egoclip):
    reasons = list(hostile.expected().values())
    assert tuple(egoclip.counts) == ("narrations", *DEFAULT_FILTERS)
    left = len(reasons)
    assert egoclip.counts["narrations"] == left
    for name in DEFAULT_FILTERS:
        left -= reasons.count(name)
        assert egoclip.counts[name] == left
    assert left == egoclip.table.num_rows


def test_columns_and_order(egoclip):
    table = egoclip.table
    assert {name: table.schema.field(name).type for name in table.column_names} == COLUMNS
    assert table["clip_idx"].to_pylist() == list(range(len(table)))
    order = [
        (r["video_uid"], r["narration_source"], r["narration_time"], r["narration_ind"]) for r in table.to_pylist()
    ]
    assert order == sorted(order)
    assert len(set(table["key"].to_pylist())) == len(table)
    for row in table.to_pylist():
        assert 0 <= row["clip_start"] < row["clip_end"] <= row["video_dur"]
        assert row["window_start"] <= row["clip_start"]
        assert row["clip_end"] <= row["window_end"]
    assert egoclip.rejected.column_names == [
        "video_uid",
        "narration_source",
        "narration_ind",
        "narration_time",
        "clip_text",
        "reason",
    ]
    times = {key[2]: row["narration_time"] for key, row in rows_of(egoclip.rejected).items() if key[0] == hostile.PLAIN}
    assert times[12] is None
    assert times[16] == -3.0


def test_windows_come_from_the_pace_of_the_pass(egoclip):
    rows = rows_of(egoclip.table)
    usable = [
        row[0] for row in hostile.PLAIN_PASS_1 if isinstance(row[0], float) and 0 <= row[0] <= hostile.DURATION
    ]  # whatever the text
    beta = (max(usable) - min(usable)) / (len(usable) - 1)
    for (uid, source, _), row in rows.items():
        if (uid, source) == (hostile.PLAIN, "narration_pass_1"):
            assert row["window_start"] == pytest.approx(row["narration_time"] - beta / 9.8, abs=1e-6)
            assert row["window_end"] == pytest.approx(row["narration_time"] + beta / 9.8, abs=1e-6)
    last = rows[hostile.PLAIN, "narration_pass_1", 18]
    assert last["clip_end"] == hostile.DURATION < last["window_end"]
    other = rows[hostile.PLAIN, "narration_pass_2", 0]
    assert other["clip_end"] - other["clip_start"] == pytest.approx(12.0 / 4.9, abs=2e-6)


def test_a_pass_without_a_gap_gets_the_mean_of_the_run(egoclip):
    rows = rows_of(egoclip.table)
    half = egoclip.beta["mean"] / 9.8
    for key in ((hostile.SINGLE, 0), (hostile.EQUAL, 0), (hostile.EQUAL, 1)):
        row = rows[key[0], "narration_pass_1", key[1]]
        assert (row["clip_start"], row["clip_end"]) == pytest.approx((30 - half, 30 + half), abs=1e-6)
    assert egoclip.beta["passes_without_gap"] == 2


def test_alpha_auto_is_the_mean_gap_of_the_passes_that_have_clips(tmp_path):
    slow = [(float(t), "#C C opens the door") for t in (0, 10, 20)]
    fast = [(float(t), "#C C takes the cup") for t in (0, 2)]
    dropped = [(float(t), "#C C looks") for t in (0, 50)]
    result = build_egoclip(write_root(tmp_path, [slow, fast, dropped]), EgoClipConfig(alpha="auto"))
    assert result.beta == {
        "alpha": 6.0,
        "passes": 2,
        "passes_without_gap": 0,
        "mean": 6.0,
        "least": 2.0,
        "greatest": 10.0,
    }
    row = result.table.to_pylist()[1]
    assert (row["clip_start"], row["clip_end"]) == pytest.approx((10 - 10 / 12, 10 + 10 / 12), abs=1e-6)


@pytest.mark.parametrize(("alpha", "half"), [("auto", 0.5), (2.0, 0.5)])
def test_one_narration_in_all_still_has_a_window(tmp_path, alpha, half):
    result = build_egoclip(write_root(tmp_path, [[(5.0, "#C C opens the door")]]), EgoClipConfig(alpha=alpha))
    row = result.table.to_pylist()[0]
    assert (row["clip_start"], row["clip_end"]) == (5 - half, 5 + half)


def test_a_time_beyond_the_video_does_not_stretch_the_windows(tmp_path):
    rows = [(float(t), "#C C opens the door") for t in (10, 12, 14)]
    source = write_root(tmp_path, [[*rows, (1e9, "#C C opens the door")]])
    assert build_egoclip(source, EgoClipConfig()).beta["mean"] == 2.0


def test_texts_keep_their_marks_and_lose_their_line_breaks(egoclip):
    rows = rows_of(egoclip.table)
    texts = {index: rows[hostile.PLAIN, "narration_pass_1", index] for index in (0, 2, 3, 4, 20)}
    assert texts[3]["clip_text"] == "#C C puts the knife on the table"
    assert texts[4]["clip_text"] == "# C C washes the plate with water."
    assert texts[2]["clip_text"] == '#C C says "hello" to the cup'
    assert texts[20]["clip_text"] == "#C C drops the ? spoon"
    assert texts[0]["text"] == "picks a bag of clothes from the floor"


def test_tags_are_rows_of_the_taxonomy(egoclip):
    row = rows_of(egoclip.table)[hostile.PLAIN, "narration_pass_1", 0]
    assert row["tag_verb"] == [3]
    assert row["tag_noun"] == [0, 1]


def test_negatives_are_other_clips_of_the_same_video(egoclip):
    table = egoclip.table.to_pylist()
    assert any(row["negatives"] for row in table)
    for row in table:
        for other in (table[i] for i in row["negatives"]):
            assert other["video_uid"] == row["video_uid"]
            assert other["clip_idx"] != row["clip_idx"]
            shares = [set(row[tags]) & set(other[tags]) for tags in ("tag_verb", "tag_noun")]
            assert not all(shares)


def test_the_csv_reads_as_the_published_one(egoclip, tmp_path):
    write_egoclip(egoclip, tmp_path / "out")
    raw = (tmp_path / "out" / "egoclip.csv").read_text()
    assert raw.split("\n")[0].split("\t") == list(CSV_COLUMNS)
    assert raw.count("\n") == 1 + egoclip.table.num_rows
    frame = pd.read_csv(tmp_path / "out" / "egoclip.csv", sep="\t")
    kinds = {
        "clip_idx": "i",
        "narration_ind": "i",
        "video_dur": "f",
        "narration_time": "f",
        "clip_start": "f",
        "clip_end": "f",
    }
    assert {name: frame[name].dtype.kind for name in kinds} == kinds
    for name in ("clip_idx", "video_uid", "video_dur", "narration_time", "clip_start", "clip_end", "clip_text"):
        assert frame[name].tolist() == egoclip.table[name].to_pylist()
    assert [eval(text) for text in frame["tag_noun"]] == egoclip.table["tag_noun"].to_pylist()
    assert "[]" in set(frame["tag_verb"]) | set(frame["tag_noun"])
    assert all(len(line.split("\t")) == 11 for line in raw.splitlines())


def test_the_csv_of_a_long_table_has_one_header(egoclip, monkeypatch):
    whole, parts = io.BytesIO(), io.BytesIO()
    write_csv(egoclip.table, whole)
    monkeypatch.setattr("egocurate.curation.clips.write_csv.ROWS", 3)
    write_csv(egoclip.table, parts)
    assert parts.getvalue() == whole.getvalue()


def test_what_is_written_reads_back_and_is_the_same_every_time(egoclip, hostile_root, tmp_path):
    again = build_egoclip(Ego4DSource(hostile_root), EgoClipConfig())
    for folder, result in (("a", egoclip), ("b", again)):
        write_egoclip(result, tmp_path / folder)
    names = sorted(path.relative_to(tmp_path / "a").as_posix() for path in (tmp_path / "a").rglob("*.*"))
    assert names == [
        "egoclip.csv",
        "egoclip.parquet",
        "lexicon/narration_noun_taxonomy.csv",
        "lexicon/narration_verb_taxonomy.csv",
        "rejected.parquet",
    ]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert pq.read_table(tmp_path / "a" / "egoclip.parquet").equals(egoclip.table)
    assert load_lexicon(tmp_path / "a" / "lexicon") == egoclip.lexicon


@pytest.mark.parametrize("name", ["val_test", "stereo", "wide", "min_words", "unsure", "redacted"])
def test_a_filter_switched_off_takes_nothing_out(hostile_root, name):
    config = EgoClipConfig(filters=tuple(other for other in DEFAULT_FILTERS if other != name))
    result = build_egoclip(Ego4DSource(hostile_root), config)
    assert name not in result.counts
    assert name not in set(result.rejected["reason"].to_pylist())
    fates = {key: reason for key, reason in hostile.expected().items() if reason == name}
    later = {key: row["reason"] for key, row in rows_of(result.rejected).items() if key in fates}
    assert set(rows_of(result.table)) >= set(fates) - set(later)
    assert len(later) < len(fates)


def test_videos_of_several_splits_can_be_left_out(hostile_root):
    result = build_egoclip(Ego4DSource(hostile_root), EgoClipConfig(filters=(*DEFAULT_FILTERS, "fho_multi")))
    assert hostile.MULTI not in set(result.table["video_uid"].to_pylist())
    assert result.rejected["reason"].to_pylist().count("fho_multi") == 2


def test_short_clips_can_be_left_out(hostile_root, egoclip):
    lengths = np.array(egoclip.table["clip_end"]) - np.array(egoclip.table["clip_start"])
    least = float(np.median(lengths))
    result = build_egoclip(Ego4DSource(hostile_root), EgoClipConfig(min_clip_seconds=least))
    assert result.table.num_rows == int((lengths >= least).sum()) < len(lengths)
    assert result.rejected["reason"].to_pylist().count("min_clip_seconds") == int((lengths < least).sum())


def test_a_manifest_and_a_pooled_file_give_clips_too(tmp_path):
    root = write_hostile_root(tmp_path, metadata="manifest.csv", narrations="all_narrations_redacted.json")
    result = build_egoclip(Ego4DSource(root), EgoClipConfig())
    plain = [row for row in result.table.to_pylist() if row["video_uid"] == hostile.PLAIN]
    assert [row["narration_source"] for row in plain] == ["narration_pass_1"] * 5 + ["narration_pass_2"] * 2
    assert set(result.rejected["reason"].to_pylist()) >= {"val_test", "no_video", "wide"}


def test_nothing_left_says_which_filter_took_how_many(tmp_path):
    source = write_root(
        tmp_path, [[(1.0, "#C C looks"), (2.0, "#C C picks up the #unsure"), (200.0, "#C C opens the door")]]
    )
    with pytest.raises(InputError) as error:
        build_egoclip(source, EgoClipConfig())
    message = str(error.value)
    assert "\n" not in message
    for name, count in (("min_words", 1), ("unsure", 1), ("beyond_video", 1)):
        assert f"{name} {count}" in message


@pytest.mark.parametrize("passes", [[], [[]]])
def test_no_narrations_at_all_is_told(tmp_path, passes):
    with pytest.raises(InputError, match="no narrations"):
        build_egoclip(write_root(tmp_path, passes), EgoClipConfig())


def test_tables_of_some_videos(hostile_root):
    source = Ego4DSource(hostile_root)
    narrations, videos = source.narrations(), source.videos()
    some = videos[videos["video_uid"] == hostile.NLQ_VAL]
    config = EgoClipConfig(filters=tuple(name for name in DEFAULT_FILTERS if name != "val_test"))
    told = narrations[narrations["video_uid"] == hostile.NLQ_VAL]
    result = build_tables(told, some, config, open_lexicon(source, "auto", narrations))
    assert result.table["video_uid"].to_pylist() == [hostile.NLQ_VAL]
    assert result.table["clip_idx"].to_pylist() == [0]


def test_lexicons(hostile_root, egoclip, tmp_path):
    source = Ego4DSource(hostile_root)
    narrations = source.narrations()
    own = open_lexicon(source, "wordnet", narrations)
    assert "open" in own.verbs.forms
    assert "door" in own.nouns.forms
    write_egoclip(egoclip, tmp_path)
    assert open_lexicon(source, tmp_path / "lexicon", narrations) == egoclip.lexicon
    with pytest.raises(InputError):
        open_lexicon(source, tmp_path / "nowhere", narrations)


def test_stages_are_reported_to_their_end(hostile_root):
    seen = {}
    made = build_egoclip(
        Ego4DSource(hostile_root), EgoClipConfig(), report=lambda s, n, of: seen.setdefault(s, []).append((n, of))
    )
    assert made.table.num_rows == made.clips
    assert list(seen) == ["read", "filter", "tag texts", "negatives"]
    for steps in seen.values():
        assert steps == sorted(steps)
        assert steps[-1][0] == steps[-1][1]


def test_the_published_row(tmp_path):
    if not TAXONOMY.is_dir():
        pytest.skip("Ego4D's taxonomy is not shipped; put both csv files in ../shared/data/ego4d-taxonomy")
    first, beta = 3.3444585, 3.6927
    texts = ["#C C picks a bag of clothes from the floor"] + ["#C C opens the door"] * 20
    source = write_root(tmp_path, [[(first + i * beta, text) for i, text in enumerate(texts)]], duration=128.033333)
    row = build_egoclip(source, EgoClipConfig(), lexicon=TAXONOMY).table.to_pylist()[0]
    assert row["clip_start"] == pytest.approx(2.967651, abs=1e-4)
    assert row["clip_end"] == pytest.approx(3.721266, abs=1e-4)
    assert row["video_dur"] == 128.033333
    assert row["clip_text"] == "#C C picks a bag of clothes from the floor"
    assert set(row["tag_verb"]) == {93}
    assert set(row["tag_noun"]) == {12, 115, 192}


def test_workers_tag_as_this_process_does(egoclip, monkeypatch):
    texts = [f"#C C {verb} the {noun}" for verb in ("opens", "takes", "cuts") for noun in ("door", "cup", "bag")]
    alone = tag_distinct(texts, egoclip.lexicon)
    assert alone.to_pylist() == [
        {"tag_verb": list(verbs), "tag_noun": list(nouns)} for verbs, nouns in tag_texts(texts, egoclip.lexicon)
    ]
    assert len({str(row) for row in alone.to_pylist()}) == 9
    monkeypatch.setattr(tag_table, "WORKERS_FROM", 0)
    monkeypatch.setattr(tag_table, "TEXTS_AT_ONCE", 4)  # three tasks
    steps = []
    assert tag_distinct(texts, egoclip.lexicon, lambda *step: steps.append(step)) == alone
    assert steps[-1] == ("tag texts", 9, 9)
    assert len(steps) == 3


def test_a_worker_tags_without_loading_pytorch(egoclip):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("there is no PyTorch to load")
    with LocalWorkers(1) as workers:
        texts = pa.array(["#C C opens the door"])
        workers.submit("tags", tag_table._read_apart, tag_table._tag_part, texts, egoclip.lexicon)
        (tagged,) = workers.wait(60)
        workers.submit("loaded", eval, "{'torch', 'thinc'} & set(__import__('sys').modules)")
        (loaded,) = workers.wait(60)
    assert len(tagged.result()) == 1
    assert loaded.result() == {"thinc"}


def test_keys_of_whole_columns_are_those_of_each_clip():
    uids = ["11111111-0000-4000-8000-000000000001", "P01_01.mp4", "é", "x" * 90]
    rows = [(uid, source, ind) for uid in uids for source in ("narration_pass_1", "a b") for ind in (0, 42, 123456)]
    count = len(rows)
    table = pa.table(
        {"video_uid": [row[0] for row in rows], "narration_source": [row[1] for row in rows]}
        | {"narration_ind": [row[2] for row in rows]}
        | {name: np.arange(count) + 0.5 for name in ("video_dur", "narration_time", "clip_start", "clip_end")}
        | {"clip_idx": np.arange(count), "clip_text": ["#C C opens the door"] * count}
        | {name: pa.array([[]] * count, pa.list_(pa.int32())) for name in ("tag_verb", "tag_noun")}
        | {name: np.zeros(count) for name in ("window_start", "window_end")}
    )
    assert complete_clips(table, EgoClipConfig())["key"].to_pylist() == [clip_key(*row) for row in rows]
    safe = table.slice(0, 3)
    assert complete_clips(safe, EgoClipConfig())["key"].to_pylist() == [clip_key(*row) for row in rows[:3]]


def test_tags_are_taken_from_an_earlier_table_of_the_same_tagger(egoclip, hostile_root, tmp_path, monkeypatch):
    write_egoclip(egoclip, tmp_path)
    path = tmp_path / "egoclip.parquet"
    for name in ("none.parquet", "egoclip.csv"):
        assert earlier_tags(tmp_path / name, egoclip.lexicon) is None
    with pytest.raises(InputError, match="columns tag_verb, tag_noun are missing"):
        earlier_tags(tmp_path / "rejected.parquet", egoclip.lexicon)
    other = load_lexicon(tmp_path / "lexicon")
    assert earlier_tags(path, other) is not None
    other.nouns.forms.pop("mug")
    assert earlier_tags(path, other) is None
    asked = []

    def tag(texts, lexicon):
        asked.extend(texts)
        return tag_texts(texts, lexicon)

    monkeypatch.setattr(tag_table, "tag_texts", tag)
    source = Ego4DSource(hostile_root)
    again = build_egoclip(source, EgoClipConfig(window="midpoints"), tags_from=path)
    assert asked == []
    assert again.table["tag_noun"].equals(egoclip.table["tag_noun"])
    held_out = EgoClipConfig(filters=tuple(name for name in DEFAULT_FILTERS if name not in ("min_words", "unsure")))
    more = build_egoclip(source, held_out, tags_from=path).table
    assert 0 < len(asked) < len(set(egoclip.table["clip_text"].to_pylist()))
    assert more["tag_verb"].equals(build_egoclip(source, held_out).table["tag_verb"])


def test_a_last_full_stop_needs_no_parsing_of_its_own(egoclip, monkeypatch):
    asked = []
    monkeypatch.setattr(tag_table, "tag_texts", lambda texts, lexicon: asked.extend(texts) or [((1,), ())] * len(texts))
    tags = tag_distinct(["#C C opens door.", "#C C opens door", "#C C opens door #unsure."], egoclip.lexicon)
    assert asked == ["#C C opens door", "#C C opens door #unsure"]
    assert tags["tag_verb"].to_pylist() == [[1]] * 3


def test_the_digest_reads_all_the_code_that_tags():
    folder = Path(tag_table.__file__).parent
    found, todo = set(), ["tagger"]
    while todo:
        name = todo.pop()
        found.add(name)
        imported = re.findall(
            r"^\s*from egocurate\.curation\.text\.(\w+) import", (folder / f"{name}.py").read_text(), re.MULTILINE
        )
        todo += [other for other in imported if other not in found]
    assert found <= set(tag_table._READS)
