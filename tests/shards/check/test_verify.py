import json
import shutil

import pytest

from egocurate.errors import InputError
from egocurate.shards.check.verify import verify
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.read.read_frames import check_frames
from egocurate.shards.write.write_shards import write_shards
from tests.shards.forge import forge_index, with_column


@pytest.fixture(scope="module")
def whole(make_job, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("whole"))
    write_shards(job)
    return job.out


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "shards")


def flip(path, offset):
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_sound_folder_has_no_problems_and_progress_is_told(folder):
    seen = []
    assert verify(folder, decode=100, report=lambda *stage: seen.append(stage)) == []
    assert seen[-1][1] == seen[-1][2] > 1


@pytest.mark.parametrize(("member", "suffix"), [(0, "json"), (1, "mp4")])
def test_a_changed_byte_names_shard_and_clip(folder, member, suffix):
    index = ShardIndex.open(folder)
    row = index.row(7)
    flip(row.shard_path, sum(index.spans(7)[member]) - 5)
    (problem,) = verify(folder)
    assert (problem.shard, problem.key) == (row.shard_path.name, row.key)
    assert problem.what == f"the bytes of {row.key}.{suffix} have changed"
    assert str(problem) == f"{problem.shard}: {row.key}: {problem.what}"


def test_changes_outside_the_contents_are_seen(folder):
    index = ShardIndex.open(folder)
    row = index.row(7)
    flip(row.shard_path, index.spans(7)[1][0] - 512)
    (problem,) = verify(folder)
    assert problem.key == row.key and "no member" in problem.what
    flip(row.shard_path, index.spans(7)[1][0] - 512)
    flip(row.shard_path, row.shard_path.stat().st_size - 1)
    (problem,) = verify(folder)
    assert (problem.key, problem.what) == (None, "bytes between the clips have changed")


def test_missing_and_cut_tars(folder):
    first, second, *_ = sorted(folder.glob("*.tar"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    (folder / "failed.parquet").unlink()
    problems = verify(folder)
    assert [problem.shard for problem in problems] == [first.name, second.name, "failed.parquet"]
    assert problems[0].what == "is not there"
    assert "bytes, the manifest says" in problems[1].what
    with pytest.raises(InputError, match="is not there: write the shards again"):
        ShardIndex.open(folder).read_video(0)


def test_an_index_that_does_not_fit(folder):
    samples = len(ShardIndex.open(folder))
    forge_index(folder, with_column("key", lambda keys: [*keys[1:], keys[0]]))
    problems = verify(folder)
    assert len(problems) == 2 * samples
    assert all("the tar has no member" in problem.what for problem in problems)
    forge_index(folder, lambda table: table.slice(1))
    (problem,) = verify(folder)
    assert "samples, the manifest" in problem.what


def test_a_video_that_does_not_hold_its_frames(folder):
    forge_index(folder, with_column("frame_count", lambda counts: [count + 1 for count in counts]))
    problems = verify(folder, decode=3)
    assert len(problems) == len(ShardIndex.open(folder))
    assert all("the index has another frame_count than its json member" in problem.what for problem in problems)
    bad = check_frames(ShardIndex.open(folder), 0)
    assert "frames, the index says" in bad.reason


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "other/9"}'])
def test_a_manifest_that_is_none_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="manifest"):
        verify(folder)


def test_manifest_names_what_it_was_made_of(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["format"] == "egocurate-shards/1"
    assert manifest["profile"]["name"] == "train"
    assert manifest["samples"] + manifest["failed"] == 21  # the last clip waits for its video
    assert sum(shard["samples"] for shard in manifest["shards"]) == manifest["samples"]
    assert manifest["bytes"] == sum((folder / shard["file"]).stat().st_size for shard in manifest["shards"])
