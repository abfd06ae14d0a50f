"""Tars of others as shards: their bytes stay, the index leads to them, and what reads shards reads them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from egocurate.errors import InputError
from egocurate.shards.adopt.adopt import AdoptJob, adopt
from egocurate.shards.check.verify import verify
from egocurate.shards.manifest import read_manifest
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import read_frames
from egocurate.storage.paths import as_path


def adopted(tars, out, **settings):
    places = [as_path(tars)] if isinstance(tars, str | Path) else [as_path(tar) for tar in tars]
    return adopt(AdoptJob(places, out, str.lower, **settings))


def test_every_sample_is_found_where_another_reader_finds_it(video_set, tmp_path):
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in video_set.iterdir()}
    adopted(video_set, tmp_path / "out")
    index = ShardIndex.open(tmp_path / "out")
    theirs = list(webdataset.WebDataset([str(path) for path in sorted(video_set.iterdir())], shardshuffle=False))
    assert [index.read_video(i) for i in range(len(index))] == [sample["mp4"] for sample in theirs]
    assert [index.row(i).clip_text for i in range(8)] == [sample["txt"].decode() for sample in theirs]
    assert index.row(5).text == "person 1 cooks." and index.key(5) == "00001-000010001"
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in video_set.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.parquet", "manifest.json"]
    assert verify(tmp_path / "out") == []


def test_frames_and_rate_are_those_of_the_videos(tar_of, films, tmp_path):
    for kind, frames, fps in (("mp4", 30, 30.0), ("webm", 20, 30.0), ("jpg", 1, 1.0)):
        tar = tar_of(tmp_path / f"{kind}.tar", [("a", {kind: films[kind]})])
        out = tmp_path / kind
        assert adopted(tar, out).text == ""
        index = ShardIndex.open(out)
        row = index.row(0)
        assert (row.frame_count, row.clip_text) == (frames, "") and row.fps == pytest.approx(fps, rel=0.01)
        assert len(read_frames(index, 0, np.array([0, frames - 1]))) == 2
        assert verify(out, decode=1) == []
        if kind != "jpg":
            assert index.read_json(0) == b""


def test_the_text_may_be_a_key_of_json(video_set, tmp_path):
    adopted(video_set, tmp_path / "out", text="json:caption")
    index = ShardIndex.open(tmp_path / "out")
    assert index.row(2).clip_text == "caption 2" and json.loads(index.read_json(2))["status"] == "success"


def test_a_choice_that_fits_no_sample_is_refused_and_binds_nothing(video_set, tmp_path):
    wrong = AdoptJob([video_set], tmp_path / "out", str.lower, text="json:captoin")
    with pytest.raises(InputError, match=r"none of 8 samples has .*text json:captoin.*text cannot be read") as error:
        adopt(wrong)
    assert "--video and --text" in str(error.value) and "\n" not in str(error.value)
    assert adopt(AdoptJob([video_set], tmp_path / "out", str.lower, text="json:caption")).samples == 8


def test_the_first_of_several_captions_is_taken_and_dots_lead_into_objects(tar_of, films, tmp_path):
    about = json.dumps({"meta": {"title": "T"}, "caption": ["one", "two"]}).encode()
    tar = tar_of(tmp_path / "a.tar", [("a", {"jpg": films["jpg"], "json": about})])
    adopted(tar, tmp_path / "list")
    adopted(tar, tmp_path / "dots", text="json:meta.title")
    assert ShardIndex.open(tmp_path / "list").row(0).clip_text == "one"
    assert ShardIndex.open(tmp_path / "dots").row(0).clip_text == "T"


def test_what_has_no_video_or_text_is_left_out_and_named(tar_of, films, tmp_path):
    good, broken = films["mp4"], b"\0\0\0\x20ftypisom" + bytes(100)
    tar = tar_of(
        tmp_path / "a.tar",
        [
            ("whole", {"mp4": good, "txt": b"a"}),
            ("silent", {"mp4": good}),
            ("blind", {"txt": b"a"}),
            ("broken", {"mp4": broken, "txt": b"a"}),
            ("empty", {"mp4": good, "txt": b" "}),
            ("latin", {"mp4": good, "txt": b"\xff\xfe"}),
            ("whole", {"mp4": good, "txt": b"again"}),
        ],
    )
    done = adopted(tar, tmp_path / "out")
    assert done.samples == 1 and ShardIndex.open(tmp_path / "out").row(0).clip_text == "a"
    failed = pq.read_table(tmp_path / "out" / "failed.parquet").to_pylist()
    assert {(row["key"], row["reason"]) for row in failed} == {
        ("a.tar/silent", "no text member"),
        ("a.tar/blind", "no video member"),
        ("a.tar/broken", "video cannot be read"),
        ("a.tar/empty", "text cannot be read"),
        ("a.tar/latin", "text cannot be read"),
        ("a.tar/whole", "name again"),
    }
    assert done.left_out["text cannot be read"] == 2 and verify(tmp_path / "out") == []


def test_the_same_names_in_several_tars_are_samples_of_their_own(tar_of, films, tmp_path):
    tars = [tar_of(tmp_path / f"{n}.tar", [("0", {"jpg": films["jpg"]})]) for n in "ab"]
    adopted(tars, tmp_path / "out")
    index = ShardIndex.open(tmp_path / "out")
    assert [index.key(0), index.key(1)] == ["a-0", "b-0"]


def test_tars_that_come_later_follow_and_the_order_says_so(video_set, tar_of, films, tmp_path):
    late = video_set / "00001.tar"
    late.rename(tmp_path / "late.tar")
    adopted(video_set, tmp_path / "out")
    first = ShardIndex.open(tmp_path / "out")
    rows = [first.row(i) for i in range(4)]
    (tmp_path / "late.tar").rename(late)
    stamp = (tmp_path / "out" / "index.parquet").stat().st_mtime_ns
    done = adopted(video_set, tmp_path / "out")
    assert (done.new_tars, done.new_samples, done.samples) == (1, 4, 8)
    grown = ShardIndex.open(tmp_path / "out")
    assert [grown.key(i) for i in range(4)] == [row.key for row in rows]
    assert [grown.spans(i) for i in range(4)] == [row.spans for row in rows]
    assert grown.fingerprint != first.fingerprint and grown.earlier_fingerprints == [first.fingerprint]
    assert verify(tmp_path / "out") == []
    assert (tmp_path / "out" / "index.parquet").stat().st_mtime_ns != stamp
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert adopted(video_set, tmp_path / "out").new_tars == 0
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == written


def test_a_tar_that_has_changed_is_refused_in_a_line_and_verify_names_what(video_set, tar_of, films, tmp_path):
    adopted(video_set, tmp_path / "out")
    index = ShardIndex.open(tmp_path / "out")
    path = video_set / "00000.tar"
    data = bytearray(path.read_bytes())
    data[index.spans(1)[1][0] + 700] ^= 1
    path.write_bytes(data)
    assert [str(one) for one in verify(tmp_path / "out")] == ["00000.tar: 00000-000000001: its bytes have changed"]
    with pytest.raises(InputError, match="not those that were written"):
        index.read_video(1)
    tar_of(path, [("x", {"mp4": films["mp4"], "txt": b"x"})])
    with pytest.raises(InputError, match=r"bytes, .* when it was adopted: bring it back"):
        adopted(video_set, tmp_path / "out")
    path.unlink()
    assert any("is not there" in str(one) for one in verify(tmp_path / "out"))
    with pytest.raises(InputError, match="bring the tar back"):
        ShardIndex.open(tmp_path / "out").read_video(0)


def test_another_choice_or_another_place_is_refused(video_set, tar_of, films, tmp_path):
    adopted(video_set, tmp_path / "out")
    with pytest.raises(InputError, match="adopted with txt"):
        adopted(video_set, tmp_path / "out", text="json:caption")
    elsewhere = tar_of(tmp_path / "other.tar", [("x", {"mp4": films["mp4"], "txt": b"x"})])
    with pytest.raises(InputError, match="does not lie below"):
        adopted(elsewhere, tmp_path / "out")
    with pytest.raises(InputError, match="there is no such tar"):
        adopted(tmp_path / "none.tar", tmp_path / "out")
    with pytest.raises(InputError, match="no tar is there"):
        adopted(tmp_path / "out", tmp_path / "empty")
    with pytest.raises(InputError, match="which key of it"):
        adopted(video_set, tmp_path / "new", text="json")


def test_a_run_that_is_killed_goes_on_from_the_tars_that_it_has_read(video_set, tmp_path):
    out = tmp_path / "out"
    slow = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from egocurate.shards.adopt import adopt as module\n"
        "def report(stage, done, total):\n"
        "    if done == 1:\n"
        "        print('read', flush=True); time.sleep(60)\n"
        "job = module.AdoptJob([Path(sys.argv[1])], Path(sys.argv[2]), str.lower)\n"
        "module.adopt(job, report)\n"
    )
    run = subprocess.Popen([sys.executable, "-c", slow, video_set, out], stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"read\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    notes = list((out / ".unfinished").glob("*.parquet"))
    assert len(notes) >= 1 and not (out / "manifest.json").exists()
    began = []
    adopt(AdoptJob([video_set], out, str.lower), lambda stage, done, total: began.append(done))
    assert began[0] == len(notes)
    assert verify(out) == [] and not (out / ".unfinished").exists()


def test_many_tars_are_read_by_processes_to_the_same_index(video_set, tmp_path, monkeypatch):
    adopted(video_set, tmp_path / "here")
    monkeypatch.setattr("egocurate.shards.adopt.adopt._AT_ONCE_SEC", 0.0)
    adopted(video_set, tmp_path / "apart")
    for name in ("index.parquet", "manifest.json"):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "apart" / name).read_bytes()


def test_tars_of_a_store_are_read_by_ranges_where_they_lie(s3, video_set, tmp_path):
    as_path("s3://bucket/sets").fs.put(f"{video_set}/", "bucket/sets/set/", recursive=True)
    adopted("s3://bucket/sets/set", tmp_path / "out")
    adopted(video_set, tmp_path / "local")
    index, local = ShardIndex.open(tmp_path / "out"), ShardIndex.open(tmp_path / "local")
    assert [index.spans(i) for i in range(8)] == [local.spans(i) for i in range(8)]
    before = len(s3.requests)
    assert index.read_video(3) == local.read_video(3)
    asked = [request for request in s3.requests[before:] if request.method == "GET"]
    assert [request.range for request in asked] == [f"bytes={index.spans(3)[1][0]}-{sum(index.spans(3)[1]) - 1}"]
    adopted("s3://bucket/sets/set", "s3://bucket/sets/out")
    assert len(ShardIndex.open("s3://bucket/sets/out")) == 8 and verify("s3://bucket/sets/out", decode=1) == []
    with pytest.raises(InputError, match="can only refer to tars in a store"):
        adopted(video_set, "s3://bucket/sets/other")


def test_a_manifest_of_a_store_cannot_have_files_of_this_machine_read(s3, video_set, tmp_path):
    as_path("s3://bucket/sets").fs.put(f"{video_set}/", "bucket/sets/set2/", recursive=True)
    adopted("s3://bucket/sets/set2", "s3://bucket/sets/lies")
    path = as_path("s3://bucket/sets/lies") / "manifest.json"
    path.write_text(path.read_text().replace("s3://bucket/sets/set2", str(video_set)))
    with pytest.raises(InputError, match="only a folder of this machine may do that"):
        ShardIndex.open("s3://bucket/sets/lies")


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"file": "00000.tar"', '"file": "../00000.tar"'),
        ('"file": "00000.tar"', '"file": "/etc/passwd"'),
        ('"file": "00000.tar"', '"file": "00001.tar"'),
        ('"text": "txt"', '"text": 5'),
        ('"video": "mp4",', ""),
    ],
)
def test_a_forged_manifest_is_refused(video_set, tmp_path, was, becomes):
    adopted(video_set, tmp_path / "out")
    path = tmp_path / "out" / "manifest.json"
    text = path.read_text()
    assert was in text
    path.write_text(text.replace(was, becomes, 1))
    with pytest.raises(InputError, match="is not a manifest"):
        read_manifest(tmp_path / "out")


def test_a_pipe_under_the_name_of_a_tar_is_not_waited_for(video_set, tmp_path):
    adopted(video_set, tmp_path / "out")
    (video_set / "00000.tar").unlink()
    os.mkfifo(video_set / "00000.tar")
    index = ShardIndex.open(tmp_path / "out")
    with pytest.raises((OSError, InputError)):
        index.read_video(0)
    with pytest.raises(InputError, match="pipe"):
        adopted(video_set / "00000.tar", tmp_path / "new")
