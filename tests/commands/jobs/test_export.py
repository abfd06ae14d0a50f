"""What goes to and comes from other people's files: the published egoclip.csv in, chunk folders and clip lists out."""

import ast
import json
import pickle
import shutil
from pathlib import Path

import av
import decord
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from egocurate.commands.jobs.export import clips_on_chunks
from egocurate.curation.clips.read_clips import read_clips
from egocurate.errors import InputError
from egocurate.shards.export.chunk_layouts import LAYOUTS
from egocurate.shards.read.index import ShardIndex

HEADER = ["clip_idx", "video_uid", "video_dur", "narration_source", "narration_ind", "narration_time"]
HEADER += ["clip_start", "clip_end", "clip_text", "tag_verb", "tag_noun"]
NOT_THERE = "ffffffff-0000-4000-8000-000000000000"
TEXTS = [
    "#C C picks a bag of clothes from the floor",
    '#C C says "well, yes" to #O man X',
    "#C C öffnet die Tür",
    "#C C looks around #unsure",
    "NA",
    "#C C's  knife",
    '"#C C holds a cup',
]
VERBS = [[93], [], [6, 50], [0], [117], [], [43, 93]]
NOUNS = [[12, 115, 192], [364], [], [581], [], [300, 7], [0]]


def train_uids(root: Path) -> list[str]:
    return [video["video_uid"] for video in json.loads((root / "ego4d.json").read_text())["videos"][:3]]


def published_rows(uids: list[str]) -> list[dict]:
    """Invent rows as EgoVLP's file has them: windows not clamped, times rounded, tags in the order of a Python set."""
    rng = np.random.default_rng(5)
    rows = []
    for uid in uids:
        for source in ("narration_pass_1", "narration_pass_2"):
            for ind, time in enumerate(np.sort(rng.uniform(0.1, 19.9, 5))):
                text = int(rng.integers(len(TEXTS)))
                rows.append(
                    {
                        "clip_idx": len(rows),
                        "video_uid": uid,
                        "video_dur": 20.0,
                        "narration_source": source,
                        "narration_ind": ind,
                        "narration_time": round(float(time), 4),
                        "clip_start": round(float(time) - 0.3768075, 6),
                        "clip_end": round(float(time) + 0.3768075, 6),
                        "clip_text": TEXTS[text],
                        "tag_verb": str(list(set(VERBS[text]))),
                        "tag_noun": str(list(set(NOUNS[text]))),
                    }
                )
    rows[0] |= {"clip_start": -0.276, "narration_time": 0.1, "clip_end": 0.4768}
    rows[9] |= {"clip_end": 20.3, "narration_time": 19.95, "clip_start": 19.6}
    return rows


def write_published(path: Path, rows: list[dict]) -> Path:
    pd.DataFrame(rows, columns=HEADER).to_csv(path, sep="\t", index=False)
    return path


@pytest.fixture(scope="module")
def published(tiny_root, curate, tmp_path_factory):
    """The rows of a published file, shuffled when written, and the shards that `curate shards` makes of it."""
    folder = tmp_path_factory.mktemp("published")
    rows = published_rows([*train_uids(tiny_root), NOT_THERE])
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    path = write_published(folder / "egoclip.csv", shuffled)
    out = folder / "S"
    done = curate("shards", "--egoclip", path, "--ego4d-root", tiny_root, "--out", out, "--shard-clips", 8, "--json")
    return rows, path, out, done


@pytest.mark.slow
def test_the_published_csv_becomes_shards_row_by_row(published):
    rows, _, out, done = published
    assert done.returncode == 0, done.stderr
    index = ShardIndex.open(out)
    by_idx = {row["clip_idx"]: row for row in rows if row["video_uid"] != NOT_THERE}
    found = {sample.clip_idx: sample for sample in map(index.row, range(len(index)))}
    assert found.keys() == by_idx.keys()
    for idx, row in by_idx.items():
        sample = found[idx]
        for name in HEADER:
            if name.startswith("tag_"):
                assert set(getattr(sample, name)) == set(ast.literal_eval(row[name]))
            elif name != "video_dur":
                assert getattr(sample, name) == row[name], (name, row)
        stored = json.loads(index.read_json(sample.sample))
        assert (stored["clip_text"], stored["video_dur"]) == (row["clip_text"], 20.0)
        for other in (index.row(int(n)) for n in sample.negatives):
            assert other.video_uid == sample.video_uid and other.clip_idx != idx
    assert sum(len(sample.negatives) for sample in found.values()) > len(rows)
    assert (index.num_verbs, index.num_nouns) == (118, 582)


def test_clips_of_videos_that_are_not_there_wait(published):
    rows, _, out, done = published
    assert sum(row["video_uid"] == NOT_THERE for row in rows) == 10
    assert json.loads(done.stdout)["waiting_for"] == {"clips": 10, "videos_not_on_disk": 1}
    assert (out / "waiting.csv").read_text() == f"video_uid,clips\n{NOT_THERE},10\n"
    assert not (out / "failed.parquet").exists()


def test_the_order_of_rows_is_free(published, tmp_path):
    rows, path, *_ = published
    assert read_clips(write_published(tmp_path / "sorted.csv", rows)).equals(read_clips(path))


def with_value(column: str, value: str):
    def spoil(lines: list[str]) -> list[str]:
        fields = lines[3].split("\t")
        fields[HEADER.index(column)] = value
        return [*lines[:3], "\t".join(fields), *lines[4:]]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_value("clip_start", "soon"), ["row 3", "clip_start has 'soon'"]),
        (with_value("clip_end", ""), ["row 3", "clip_end has ''"]),
        (with_value("video_dur", "inf"), ["row 3", "video_dur has 'inf'"]),
        (with_value("narration_ind", "1.5"), ["row 3", "narration_ind has '1.5'", "whole number"]),
        (with_value("clip_idx", "0"), ["row 3", "clip_idx has 0, again"]),
        (with_value("tag_verb", "93"), ["row 3", "tag_verb has '93'", "[93]"]),
        (with_value("tag_noun", "[1, 'a']"), ["row 3", "tag_noun"]),
        (with_value("tag_noun", "[-1]"), ["row 3", "tag_noun has '[-1]'"]),
        (with_value("tag_noun", "__import__('os')"), ["row 3", "tag_noun"]),
        (lambda lines: [*lines[:3], "7\tabc", *lines[4:]], ["row 3", "fewer than 11 columns"]),
        (lambda lines: [*lines[:3], lines[3] + "\textra", *lines[4:]], ["row 3", "more than 11 columns"]),
        (lambda lines: [line.replace("\t", ",") for line in lines], ["columns", "missing"]),
        (lambda lines: [], ["not a tab-separated table"]),
    ],
)
def test_a_malformed_row_is_named(tmp_path, spoil, words):
    rows = [row | {"clip_text": "#C C cuts bread"} for row in published_rows(["a"])]
    path = write_published(tmp_path / "egoclip.csv", rows)
    path.write_text("\n".join(spoil(path.read_text().splitlines())) + "\n")
    with pytest.raises(InputError) as caught:
        read_clips(path)
    assert all(word in str(caught.value) for word in [*words, str(path)]), caught.value
    assert "\n" not in str(caught.value)


def test_a_malformed_row_stops_the_verb_with_one_line(tiny_root, curate, tmp_path):
    path = write_published(tmp_path / "egoclip.csv", [row | {"clip_end": "x"} for row in published_rows(["a"])])
    done = curate("shards", "--egoclip", path, "--ego4d-root", tiny_root, "--out", tmp_path / "S")
    assert done.returncode == 2 and "row 1: clip_end has 'x'" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "S").exists()


@pytest.fixture(scope="module")
def exported(tiny_root, published, curate, tmp_path_factory):
    """The tiny root, less one video, as each of the three layouts; the clips are those of the published file."""
    root = tmp_path_factory.mktemp("exported") / "root"
    shutil.copytree(tiny_root, root)
    gone = train_uids(root)[1]
    (root / "v2" / "full_scale" / f"{gone}.mp4").unlink()
    _, path, *_ = published
    done = {}
    for like in LAYOUTS:
        arguments = ("export", "--layout", "chunks", "--like", like, "--ego4d-root", root, "--out", root.parent / like)
        done[like] = arguments, curate(*arguments, "--egoclip", path, "--json")
    return root, gone, done


@pytest.mark.slow
@pytest.mark.parametrize("like", LAYOUTS)
def test_every_video_on_disk_is_exported_whole(exported, like):
    root, gone, done = exported
    _, run = done[like]
    assert run.returncode == 0, run.stderr
    summary = json.loads(run.stdout)
    files = sorted((root / "v2" / "full_scale").glob("*.mp4"))
    assert summary["videos"] == len(files) and gone not in [file.stem for file in files]
    out, layout = root.parent / like, LAYOUTS[like]
    count = 2 if like == "avion" else 1  # 20 s
    for file in files:
        chunks = [out / layout.path(file.stem, k) for k in range(count)]
        assert sorted((out / layout.folder(file.stem)).iterdir()) == sorted(chunks)
        with av.open(str(file)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert [len(decord.VideoReader(str(chunk))) for chunk in chunks] == ([225, 75] if like == "avion" else [frames])
    assert summary["chunks"] == count * len(files)


@pytest.mark.slow
@pytest.mark.parametrize("like", LAYOUTS)
def test_clips_come_in_the_form_the_code_wants(exported, published, like):
    root, gone, done = exported
    rows = [row for row in published[0] if row["video_uid"] not in (gone, NOT_THERE)]
    out = root.parent / like
    if like == "egovlp":
        read = pd.read_csv(out / "egoclip.csv", sep="\t", keep_default_na=False)
        assert list(read.columns) == HEADER
        assert read["clip_text"].tolist() == [row["clip_text"] for row in rows]
        assert read["clip_start"].tolist() == [row["clip_start"] for row in rows]
    else:
        samples = pickle.loads((out / "ego4d_train.pkl").read_bytes())
        names = ("video_uid", "clip_start", "clip_end", "clip_text")
        assert samples == [tuple(row[name] for name in names) for row in rows]
    summary = json.loads(done[like][1].stdout)
    assert (summary["clips"], summary["clips_without_chunks"]) == (20, 20)


@pytest.mark.slow
def test_the_same_export_again_changes_nothing_and_another_layout_is_refused(exported, curate, tmp_path):
    root, _, done = exported
    arguments, _ = done["avion"]
    out = arguments[-1]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    again = curate(*arguments)
    assert again.returncode == 0 and "unchanged" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    clips = write_published(tmp_path / "egoclip.csv", published_rows(train_uids(root)[:1]))
    anew = curate(*arguments, "--egoclip", clips, "--json")
    assert json.loads(anew.stdout)["clips_state"] == "written anew, of another table than before"
    other = curate(*arguments[:4], "lavila", *arguments[5:])
    assert other.returncode == 2 and "seconds was 15, now 300" in other.stderr
    assert other.stderr.count("\n") == 1


def test_a_store_is_refused(tiny_root, curate):
    done = curate("export", "--like", "avion", "--ego4d-root", tiny_root, "--out", "memory://chunks")
    assert done.returncode == 2 and "name a folder of this machine" in done.stderr
    assert done.stderr.count("\n") == 1


def test_clips_need_the_chunks_of_both_ends():
    clips = pa.table({"video_uid": ["a", "a", "a", "b"], "clip_start": [-0.5, 14.0, 29.0, 1.0]})
    clips = clips.append_column("clip_end", pa.array([1.0, 15.5, 30.0, 2.0]))
    chunks = pa.table({"video_uid": ["a", "a"], "chunk": [0, 1]})
    assert clips_on_chunks(clips, LAYOUTS["avion"], chunks).tolist() == [True, True, False, False]
