"""The verbs one after the other on a tiny root, as a user runs them."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import webdataset

from egocurate.loaders.clip_stream import stream
from egocurate.loaders.config import StreamConfig
from egocurate.shards.read.index import ShardIndex


@pytest.fixture(scope="session")
def built(tiny_root, curate, tmp_path_factory):
    """An output folder after `curate egoclip` and `curate egomcq`, and what they printed."""
    out = tmp_path_factory.mktemp("built") / "O"
    egoclip = curate("egoclip", "--ego4d-root", tiny_root, "--out", out, "--shard-clips", 16, "--json")
    assert egoclip.returncode == 0, egoclip.stderr
    egomcq = curate("egomcq", "--ego4d-root", tiny_root, "--out", out, "--inter", 20, "--intra", 5, "--json")
    assert egomcq.returncode == 0, egomcq.stderr
    return out, json.loads(egoclip.stdout), json.loads(egomcq.stdout)


def test_tables_and_shards_hold_the_same_clips(built):
    out, summary, _ = built
    table = pq.read_table(out / "egoclip.parquet")
    index = ShardIndex.open(out / "shards")
    assert summary["clips"] == summary["samples"] == table.num_rows == len(index)
    assert set(table["key"].to_pylist()) == {index.row(i).key for i in range(len(index))}
    assert summary["rejected"]["val_test"] > 0
    assert summary["rejected"]["stereo"] > 0


def test_the_csv_is_egovlp_s(built):
    out, _, _ = built
    frame = pd.read_csv(out / "egoclip.csv", sep="\t")
    assert list(frame.columns)[:3] == ["clip_idx", "video_uid", "video_dur"]
    assert len(frame.columns) == 11
    assert list(frame["clip_idx"]) == list(range(len(frame)))
    assert frame["video_uid"].is_monotonic_increasing
    assert all(isinstance(eval(tags), list) for tags in frame["tag_verb"])


def test_questions_come_from_other_videos_and_each_has_its_clips(built):
    out, _, summary = built
    questions = json.loads((out / "egomcq.json").read_text())
    assert list(questions) == [str(i) for i in range(len(questions))]
    assert summary["inter"] == sum(q["types"] == 1 for q in questions.values()) == 20
    asked = {c["video_uid"] for q in questions.values() for c in q["choices"].values()}
    trained = set(pq.read_table(out / "egoclip.parquet", columns=["video_uid"])["video_uid"].to_pylist())
    assert asked
    assert not asked & trained


def test_the_same_command_again_changes_nothing_and_says_so(built, tiny_root, curate):
    out, _, _ = built
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}
    again = curate("egoclip", "--ego4d-root", tiny_root, "--out", out, "--shard-clips", 16)
    assert again.returncode == 0, again.stderr
    assert "unchanged" in again.stdout
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file()}


def test_other_options_into_the_same_folder_are_refused(built, tiny_root, curate):
    out, _, _ = built
    other = curate("egoclip", "--ego4d-root", tiny_root, "--out", out, "--alpha", "6")
    assert other.returncode == 2
    assert "alpha was 4.9, now 6.0" in other.stderr
    assert other.stderr.count("\n") == 1


def test_verify_passes_and_finds_a_flipped_byte(built, curate, tmp_path):
    out, _, _ = built
    assert curate("verify", out).returncode == 0
    assert curate("verify", out / "egomcq.json").returncode == 0
    broken = shutil.copytree(out / "shards", tmp_path / "broken")
    index = ShardIndex.open(broken)
    sample = index.row(3)
    with sample.shard_path.open("r+b") as file:
        file.seek(sample.video_span[0] + 40)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 0xFF]))
    found = curate("verify", broken)
    assert found.returncode == 3
    assert sample.shard_path.name in found.stderr
    assert sample.key in found.stderr


def test_webdataset_reads_the_shards(built):
    out, summary, _ = built
    urls = sorted(str(p) for p in (out / "shards").glob("*.tar"))
    samples = list(webdataset.WebDataset(urls, shardshuffle=False, nodesplitter=None))
    assert len(samples) == summary["samples"]
    first = json.loads(samples[0]["json"])
    assert first["key"] == samples[0]["__key__"]
    assert samples[0]["mp4"][4:8] == b"ftyp"


def test_the_stream_gives_tensors_of_the_shards(built):
    out, _, _ = built
    data = stream(out / "shards", batch_size=8, config=StreamConfig(frames=4, size=32, workers=0))
    batch = next(iter(data.epoch(0)))
    assert tuple(batch.frames.shape) == (16, 4, 3, 32, 32)
    assert batch.frames.float().std() > 10
    index = ShardIndex.open(out / "shards")
    for row, number in enumerate(batch.sample.tolist()):
        assert batch.texts[row] == index.row(number).text
        assert np.flatnonzero(batch.verbs[row]).tolist() == list(index.row(number).tag_verb)


def test_the_published_csv_form_makes_the_same_shards(built, tiny_root, curate, tmp_path):
    out, summary, _ = built
    shutil.copy(out / "egoclip.csv", tmp_path / "egoclip.csv")
    made = curate(
        *("shards", "--egoclip", tmp_path / "egoclip.csv", "--ego4d-root", tiny_root, "--out", tmp_path / "S", "--json")
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["samples"] == summary["samples"]
    ours, theirs = ShardIndex.open(out / "shards"), ShardIndex.open(tmp_path / "S")
    assert [ours.row(i).key for i in range(len(ours))] == [theirs.row(i).key for i in range(len(theirs))]


def test_show_and_report_draw(built, curate, tmp_path):
    out, _, _ = built
    shown = curate("show", out / "shards", 0, "--out", tmp_path / "clip.png")
    assert shown.returncode == 0, shown.stderr
    assert "clip_text" in shown.stdout
    assert (tmp_path / "clip.png").read_bytes().startswith(b"\x89PNG")
    assert curate("show", out / "shards", 10**6).returncode == 2
    assert curate("report", out).returncode == 0
    page = (out / "report.html").read_text()
    assert "Narrations left" in page
    assert "://" not in page


def test_segments_cover_the_videos_without_text(tiny_root, curate, tmp_path):
    made = curate(*("segments", "--ego4d-root", tiny_root, "--out", tmp_path, "--seconds", 5, "--stride", 5, "--json"))
    assert made.returncode == 0, made.stderr
    index = ShardIndex.open(tmp_path)
    assert len(index) == json.loads(made.stdout)["samples"] >= 4 * 12
    assert index.row(0).clip_text == ""


def test_windows_lists_every_strategy(tiny_root, curate):
    shown = curate("windows", "--ego4d-root", tiny_root, "--json")
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)) >= 8
