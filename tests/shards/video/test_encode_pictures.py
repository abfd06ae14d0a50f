"""Shards whose clips are stored as one picture for each frame."""

import io
import json
import shutil
import tarfile
from dataclasses import replace

import pytest
from PIL import Image

from egocurate.errors import InputError
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import H264, PROFILES, Pictures, Profile, profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.open_files import OpenFiles
from egocurate.shards.video.cut import cut_clips
from egocurate.shards.write.build_shard import ShardTask, build_shard
from egocurate.shards.write.job import make_shard_plan
from egocurate.shards.write.write_shards import write_shards
from tests.shards.forge import forge_index, with_column

KINDS = {"jpg": "JPEG", "webp": "WEBP"}


@pytest.fixture(params=KINDS, scope="module")
def whole(request, make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("whole"))
    job = replace(job, profile=Profile("pictures", 256, 8, Pictures(request.param, 80)))
    assert write_shards(job).samples == 20
    return job


@pytest.fixture
def written(whole, tmp_path):
    """A finished folder of pictures, and its job."""
    return replace(whole, out=shutil.copytree(whole.out, tmp_path / "shards"))


@pytest.mark.slow
def test_members_are_the_pictures_that_cutting_yields(written):
    index = ShardIndex.open(written.out)
    kind = written.profile.codec.members
    assert index.members == json.loads((written.out / "manifest.json").read_text())["profile"]["members"] == kind
    rows = [row for row in written.clips.to_pylist() if row["video_uid"] == "cook"]
    windows = [(row["key"], row["clip_start"], row["clip_end"]) for row in rows]
    for key, clip in cut_clips(written.videos["cook"].path, windows, written.profile):
        sample = index.find(key)
        count = index.row(sample).frame_count
        assert clip.frame_count == count == len(clip.members) == len(index.spans(sample)) - 1
        assert tuple(index.read_members(sample, range(1, count + 1))) == clip.members
        assert json.loads(index.read_json(sample))["frame_count"] == count
        pictures = [Image.open(io.BytesIO(data)) for data in clip.members]
        assert {(picture.format, picture.size) for picture in pictures} == {(KINDS[kind], (64, 48))}
        with pytest.raises(InputError, match=f"holds {kind} pictures"):
            index.read_video(sample)
        with pytest.raises(IndexError):
            index.read_members(sample, [count + 1])


def test_tars_stand_in_the_order_that_webdataset_wants(written):
    import webdataset

    index = ShardIndex.open(written.out)
    kind = written.profile.codec.members
    paths = sorted(written.out.glob("*.tar"))
    names = []
    for path in paths:
        with tarfile.open(path) as archive:
            names += archive.getnames()
    assert names == [name for sample in range(len(index)) for name in index.member_names(sample)]
    assert names[:3] == [f"{index.key(0)}.json", f"{index.key(0)}.000.{kind}", f"{index.key(0)}.001.{kind}"]
    samples = list(webdataset.WebDataset([str(path) for path in paths], shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [index.key(i) for i in range(len(index))]
    assert samples[5][f"001.{kind}"] == index.read_members(5, [2])[0]


def test_only_the_bytes_of_the_members_asked_for_are_read(written, monkeypatch):
    index = ShardIndex.open(written.out)
    read, plain = [], OpenFiles.read
    monkeypatch.setattr(
        OpenFiles,
        "read",
        lambda self, path, size, offset: read.append((offset, size)) or plain(self, path, size, offset),
    )
    index.read_members(3, [2, 5])
    spans = index.spans(3)
    assert read == [spans[2], spans[5]]


def test_one_worker_and_two_write_the_same_bytes(written, tmp_path):
    plan = make_shard_plan(written)
    for shard, path in enumerate(sorted(written.out.glob("*.tar"))):
        task = ShardTask(tmp_path / path.name, tmp_path / "note", plan.rows(shard), written.videos, written.profile)
        build_shard(task)
        assert task.tar.read_bytes() == path.read_bytes()
    assert write_shards(written).already_done


def test_a_lost_shard_is_written_again_and_the_index_stays(written):
    index = (written.out / "index.parquet").read_bytes()
    lost = written.out / "egoclip-000001.tar"
    data = lost.read_bytes()
    lost.unlink()
    assert not write_shards(written).already_done
    assert lost.read_bytes() == data and (written.out / "index.parquet").read_bytes() == index


def test_verify_names_the_picture_with_a_changed_byte(written):
    assert verify(written.out, decode=100) == []
    index = ShardIndex.open(written.out)
    row = index.row(7)
    data = bytearray(row.shard_path.read_bytes())
    data[sum(row.spans[4]) - 5] ^= 1
    row.shard_path.write_bytes(data)
    (problem,) = verify(written.out)
    assert (problem.shard, problem.key) == (row.shard_path.name, row.key)
    assert problem.what == f"the bytes of {row.key}.003.{written.profile.codec.members} have changed"


def test_verify_tells_a_count_that_is_not_that_of_the_members(written):
    forge_index(written.out, with_column("frame_count", lambda counts: [count + 1 for count in counts]))
    (problem,) = verify(written.out)
    assert "has not the members that frame_count says" in problem.what


def test_pictures_and_videos_do_not_mix_in_a_folder(written):
    with pytest.raises(InputError, match="what differs: profile"):
        write_shards(replace(written, profile=profile("train")))


def test_folders_of_before_there_were_pictures_are_read(job):
    write_shards(job)
    path = job.out / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["profile"]["members"]
    path.write_text(json.dumps(manifest))
    index = ShardIndex.open(job.out)
    assert index.members == "mp4" and index.read_video(0)[4:8] == b"ftyp" and verify(job.out) == []


def test_named_profiles_are_of_both_kinds_and_their_settings_are_plain():
    assert {type(known.codec) for known in PROFILES.values()} == {H264, Pictures}
    for name, known in PROFILES.items():
        assert profile(name).name == name
        assert json.loads(json.dumps(known.settings())) == known.settings()
    with pytest.raises(InputError, match="'tiny' is not known"):
        profile("tiny")
