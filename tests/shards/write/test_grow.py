"""Videos that come later, or are repaired, become further shards; what was whole before keeps every byte."""

import json
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import InputError
from egocurate.shards.check.repair import repair
from egocurate.shards.check.verify import verify
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.job import ShardJob, VideoFile, check_job, plan_parts
from egocurate.shards.write.parts import Part
from egocurate.shards.write.write_shards import write_shards

UIDS = ("ash", "birch", "cedar", "dogwood")
pytestmark = pytest.mark.usefixtures("ray_up")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def tars(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the inode of each tar."""
    return {path.name: (path.read_bytes(), path.stat().st_ino) for path in sorted(folder.glob("*.tar"))}


def is_in(part: dict, whole: dict) -> bool:
    return part.items() <= whole.items()


@pytest.fixture(scope="module")
def all_videos(tmp_path_factory, make_video) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("all")
    return {uid: make_video(folder / f"{uid}.mp4", size=(64, 48), faststart=True, g="10") for uid in UIDS}


@pytest.fixture
def job(make_clips, tmp_path) -> ShardJob:
    """Four clips of each of four videos, of which none is on disk yet."""
    rows = [(uid, 0.6 * n, 0.6 * n + 1) for uid in UIDS for n in range(4)]
    (tmp_path / "videos").mkdir()
    videos = {uid: VideoFile(tmp_path / "videos" / f"{uid}.mp4") for uid in UIDS}
    return ShardJob(
        make_clips(rows), videos, tmp_path / "shards", profile("train"), clips_per_shard=2, num_verbs=118, num_nouns=582
    )


@pytest.fixture
def fetch(job, all_videos):
    """Bring videos into the job's folder, as a download does; `cut_to` bytes of each."""

    def bring(*uids: str, cut_to: int | None = None) -> None:
        for uid in uids:
            job.videos[uid].path.write_bytes(all_videos[uid].read_bytes()[:cut_to])

    return bring


def streamed(folder: Path) -> list[str]:
    """Read every sample by the index, and return the videos they say they are of."""
    index = ShardIndex.open(folder)
    samples = [json.loads(index.read_json(sample)) for sample in range(len(index))]
    assert [sample["key"] for sample in samples] == [index.key(i) for i in range(len(index))]
    return [sample["video_uid"] for sample in samples]


def test_a_folder_grows_twice_and_earlier_tars_keep_every_byte(job, fetch):
    fetch("cedar")
    first = write_shards(job)
    assert (first.samples, first.failed, first.waiting) == (4, 0, {"ash": 4, "birch": 4, "dogwood": 4})
    before, first_print = tars(job.out), ShardIndex.open(job.out).fingerprint

    fetch("ash", "dogwood")
    second = write_shards(job)
    assert (second.samples, second.waiting, second.already_done) == (12, {"birch": 4}, False)
    assert is_in(before, tars(job.out))
    assert streamed(job.out) == ["cedar"] * 4 + ["ash"] * 4 + ["dogwood"] * 4
    between, second_print = tars(job.out), ShardIndex.open(job.out).fingerprint

    fetch("birch")
    third = write_shards(job)
    assert (third.samples, third.waiting) == (16, {}) and not (job.out / "waiting.csv").exists()
    assert is_in(between, tars(job.out)) and len(between) < len(tars(job.out)) == third.shards
    assert streamed(job.out)[-4:] == ["birch"] * 4
    assert verify(job.out) == [] and not (job.out / ".unfinished").exists()
    index = ShardIndex.open(job.out)
    assert index.earlier_fingerprints == [first_print, second_print] and index.fingerprint != second_print

    files = contents(job.out)
    assert write_shards(job).already_done and contents(job.out) == files


def test_negatives_of_a_grown_folder_are_those_of_one_cut_at_once(job, fetch, tmp_path):
    for uid in ("birch", "ash", "cedar", "dogwood"):
        fetch(uid)
        write_shards(job)
    whole = replace(job, out=tmp_path / "at once")
    write_shards(whole)
    grown, once = ShardIndex.open(job.out), ShardIndex.open(whole.out)
    for sample in range(len(once)):
        same = grown.find(once.key(sample))
        negatives = [grown.key(number) for number in grown.negatives(same)]
        assert negatives == [once.key(number) for number in once.negatives(sample)] and len(negatives) == 3
        assert grown.read_video(same) == once.read_video(sample)


def test_a_folder_that_never_grew_is_as_it_was_before_there_were_parts(job, fetch):
    fetch(*UIDS)
    write_shards(job)
    manifest = json.loads((job.out / "manifest.json").read_text())
    (part,) = manifest["parts"]
    assert part["planned"] == manifest["planned"] and part["shards"] == len(manifest["shards"])
    assert part["videos"] == {uid: job.videos[uid].size() for uid in UIDS} and part["again"] == {}
    assert b"egocurate.parts" not in (job.out / "index.parquet").read_bytes()


def test_clips_of_a_damaged_video_are_tried_again_when_its_file_has_changed(job, fetch, all_videos):
    fetch("ash", "cedar", "dogwood")
    whole = all_videos["birch"].stat().st_size
    fetch("birch", cut_to=whole * 3 // 4)
    first = write_shards(job)
    assert 0 < first.failed < 4 and first.samples == 16 - first.failed
    before, files = tars(job.out), contents(job.out)
    again = write_shards(job)
    assert again.already_done and again.failed == first.failed and contents(job.out) == files

    fetch("birch", cut_to=whole * 2 // 3)  # another file, no better one
    worse = write_shards(job)
    assert (worse.samples, worse.failed) == (first.samples, first.failed)
    assert is_in(before, tars(job.out))
    fetch("birch")
    mended = write_shards(job)
    assert (mended.samples, mended.failed) == (16, 0) and not (job.out / "failed.parquet").exists()
    assert is_in(before, tars(job.out)) and sorted(streamed(job.out)) == sorted(UIDS * 4)
    index = ShardIndex.open(job.out)
    assert {len(index.negatives(sample)) for sample in range(16)} == {3}, "negatives cross the parts"
    assert verify(job.out, decode=16) == []
    files = contents(job.out)
    for name in before:
        (job.out / name).unlink()
    write_shards(job)
    assert contents(job.out) == files, "clips that were tried again are not cut twice"


def test_a_video_that_does_not_open_at_all_is_tried_again_whole(job, fetch):
    fetch("ash")
    job.videos["cedar"].path.write_bytes(b"no video")
    assert write_shards(job).failed == 4
    fetch("cedar")
    assert (write_shards(job).samples, write_shards(job).failed) == (8, 0)
    assert json.loads((job.out / "manifest.json").read_text())["parts"][1]["again"] == {"cedar": None}


def test_a_table_that_gains_clips_grows_its_shards(job, fetch, make_clips, make_video):
    fetch(*UIDS)
    write_shards(job)
    before = tars(job.out)
    rows = [(uid, 0.6 * n, 0.6 * n + 1) for uid in UIDS for n in range(4)] + [("elm", 0.0, 1.0), ("elm", 1.0, 2.0)]
    elm = make_video(job.videos["ash"].path.with_name("elm.mp4"), size=(64, 48))
    longer = replace(job, clips=make_clips(rows), videos=job.videos | {"elm": VideoFile(elm)})
    assert (write_shards(longer).samples, is_in(before, tars(job.out))) == (18, True)
    with pytest.raises(InputError, match=r"what differs: clips .*negatives"):
        write_shards(replace(longer, clips=longer.clips.slice(1)))


def test_videos_that_went_away_after_they_were_cut_are_no_matter(job, fetch):
    fetch("ash", "birch")
    write_shards(job)
    for uid in ("ash", "birch"):
        job.videos[uid].path.unlink()
    assert write_shards(job).already_done
    fetch("cedar")
    assert write_shards(job).samples == 12


@pytest.mark.parametrize("lost", ["egoclip-000000.tar", "egoclip-000003.tar", "egoclip-000005.tar"])
def test_a_lost_tar_of_any_part_is_cut_again_to_the_same_bytes(job, fetch, lost):
    grow(job, fetch)
    files = contents(job.out)
    (job.out / lost).unlink()
    assert repair(job).shards == [lost] and contents(job.out) == files
    (job.out / lost).unlink()
    assert not write_shards(job).already_done and contents(job.out) == files


def test_a_repair_adds_nothing(job, fetch):
    fetch("ash")
    write_shards(job)
    files = contents(job.out)
    fetch("birch")
    (job.out / "egoclip-000000.tar").unlink()
    assert repair(job).shards == ["egoclip-000000.tar"]
    assert contents(job.out) == files


def test_a_lost_manifest_of_a_grown_folder_is_written_again(job, fetch):
    grow(job, fetch)
    files = contents(job.out)
    (job.out / "manifest.json").unlink()
    assert repair(job).shards == [] and contents(job.out) == files


def test_a_grown_folder_of_whose_parts_nothing_tells_is_left_as_it_is(job, fetch):
    for uid in ("ash", "cedar", "birch"):
        fetch(uid)
        write_shards(job)
    for name in ("manifest.json", "index.parquet"):
        (job.out / name).unlink()
    files = contents(job.out)
    with pytest.raises(InputError, match=r"000002\.tar is whole but of another plan: this folder has grown"):
        repair(job)
    with pytest.raises(InputError, match="none of the 4 videos of these clips is on disk"):
        repair(replace(job, videos={}))
    assert contents(job.out) == files


def test_a_lost_tar_whose_video_has_changed_is_refused_before_anything_is_touched(job, fetch):
    grow(job, fetch)
    (job.out / "egoclip-000000.tar").unlink()
    fetch("birch", cut_to=5000)
    files = contents(job.out)
    for mend in (write_shards, repair):
        with pytest.raises(InputError, match=r"its video birch has 5000 bytes now, it had \d+ bytes: put that file"):
            mend(job)
        assert contents(job.out) == files


def grow(job, fetch) -> None:
    for uid in ("birch", "ash", "cedar"):
        fetch(uid)
        write_shards(job)
    assert len(json.loads((job.out / "manifest.json").read_text())["parts"]) == 3


# Stands still when the first new shard is done, so that the kill always comes midway.
DRIVER = """
import os, pickle, sys, time
from egocurate.ray_session import QUIET
from egocurate.shards.write.write_shards import write_shards
os.environ.update(QUIET)
import ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error", object_store_memory=10**8)
first = []
def report(stage, done, total):
    first.append(done)
    print("waits" if done > first[0] else "begins", flush=True)
    time.sleep(60 if done > first[0] else 0)
write_shards(pickle.load(open(sys.argv[1], "rb")), report)
"""


@pytest.mark.slow
def test_killed_while_growing_the_old_folder_stays_valid_and_the_next_run_finishes(job, fetch, tmp_path):
    fetch("birch")
    write_shards(job)
    before = contents(job.out)
    undisturbed = replace(job, out=tmp_path / "undisturbed")
    write_shards(undisturbed)
    fetch("ash", "cedar")
    write_shards(undisturbed)

    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "job.pickle")], stdout=subprocess.PIPE, text=True
    )
    while (line := driver.stdout.readline()) != "waits\n":
        assert line, "the run ended before it could be killed"
    driver.send_signal(signal.SIGKILL)
    driver.wait(timeout=60)
    time.sleep(1)  # in which Ray's workers notice
    with pytest.raises(InputError, match="none of the 4 videos of these clips is on disk"):
        write_shards(replace(job, videos={}))
    now = contents(job.out)
    assert is_in({name: data for name, data in before.items() if name != "waiting.csv"}, now)
    assert any(name.endswith(".tar") and ".part-" not in name and name not in before for name in now)
    assert streamed(job.out) == ["birch"] * 4 and verify(job.out) == []

    fetch("dogwood")  # came meanwhile: a part of its own
    seen = []
    summary = write_shards(job, lambda *stage: seen.append(stage))
    assert seen[0][1] > 4, "what was finished is not done again"
    assert (summary.samples, summary.waiting) == (16, {})
    write_shards(undisturbed)
    assert contents(job.out) == contents(undisturbed.out)


def test_killed_between_the_new_index_and_the_new_manifest_the_next_run_finishes(job, fetch):
    fetch("birch")
    write_shards(job)
    manifest = (job.out / "manifest.json").read_bytes()
    fetch("ash")
    write_shards(job)
    files = contents(job.out)
    (job.out / "manifest.json").write_bytes(manifest)
    with pytest.raises(InputError, match=r"index\.parquet is not what was written"):
        ShardIndex.open(job.out)
    assert not write_shards(job).already_done and contents(job.out) == files


def as_first_release(folder: Path) -> None:
    """Take from a folder what the first releases did not write."""
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["parts"], manifest["index"]
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    index = pq.read_table(folder / "index.parquet").replace_schema_metadata(None)
    pq.write_table(index, folder / "index.parquet")
    (folder / "waiting.csv").unlink(missing_ok=True)


def test_a_folder_of_the_first_releases_is_read_and_grows(job, fetch, make_clips, make_video):
    fetch(*UIDS)
    write_shards(job)
    as_first_release(job.out)
    files = contents(job.out)
    assert len(ShardIndex.open(job.out)) == 16
    assert write_shards(job).already_done and contents(job.out) == files
    rows = [(uid, 0.6 * n, 0.6 * n + 1) for uid in UIDS for n in range(4)] + [("elm", 0.0, 1.0)]
    elm = make_video(job.videos["ash"].path.with_name("elm.mp4"), size=(64, 48))
    before = tars(job.out)
    assert write_shards(replace(job, clips=make_clips(rows), videos=job.videos | {"elm": VideoFile(elm)})).samples == 17
    assert is_in(before, tars(job.out)) and np.unique(ShardIndex.open(job.out).shard).size == len(tars(job.out))
    assert pa.types.is_list(pq.read_table(job.out / "index.parquet")["negatives"].type)


def test_a_partial_folder_of_the_first_releases_goes_on_and_grows(job, fetch):
    """They planned the clips of videos that were not there, as failures, and wrote down no parts."""
    fetch("birch")
    checked = check_job(job)
    (part,) = plan_parts(checked, [Part(checked.sizes, last_clip_idx=10**6)]).parts
    (job.out / ".unfinished").mkdir(parents=True)
    (job.out / ".unfinished" / "plan.json").write_text(json.dumps(part.planned))
    begun = write_shards(job)
    assert (begun.samples, begun.failed, begun.waiting) == (4, 0, {"ash": 4, "cedar": 4, "dogwood": 4})
    as_first_release(job.out)
    assert write_shards(job).already_done

    before = tars(job.out)
    fetch("ash", "dogwood")
    grown = write_shards(job)
    assert (grown.samples, grown.failed, grown.waiting) == (12, 0, {"cedar": 4})
    assert is_in(before, tars(job.out)) and streamed(job.out)[4:] == ["ash"] * 4 + ["dogwood"] * 4
    parts = json.loads((job.out / "manifest.json").read_text())["parts"]
    assert [part["again"] for part in parts] == [{}, {"ash": None, "dogwood": None}]
    files = contents(job.out)
    assert write_shards(job).already_done and contents(job.out) == files and verify(job.out) == []


def test_clips_that_failed_are_tried_again_when_it_is_asked_for_though_the_file_is_as_long(job, fetch, all_videos):
    fetch("ash")
    job.videos["cedar"].path.write_bytes(bytes(all_videos["cedar"].stat().st_size))
    assert write_shards(job).failed == 4
    before = tars(job.out)
    fetch("cedar")
    assert write_shards(job).already_done
    again = write_shards(replace(job, retry_failed=True))
    assert (again.samples, again.failed, again.new_samples) == (8, 0, 4) and is_in(before, tars(job.out))
    assert write_shards(replace(job, retry_failed=True)).already_done
    assert verify(job.out) == []
