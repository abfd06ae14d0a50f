import errno
import json
import pickle
import signal
import subprocess
import sys
import tarfile
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from egocurate.errors import DiskFull, InputError
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.video.cut import cut_clips
from egocurate.shards.write import build_shard as build_module
from egocurate.shards.write import write_shards as write_shards_module
from egocurate.shards.write.build_shard import ShardNote, ShardTask, build_shard
from egocurate.shards.write.job import VideoFile, make_shard_plan
from egocurate.shards.write.publish_index import publish
from egocurate.shards.write.write_shards import write_shards
from egocurate.storage.locks.lock import locked


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def written(ray_up, tmp_path_factory, small_videos, make_clips):
    """A finished folder, the job that made it and its bytes."""
    from egocurate.shards.write.job import ShardJob

    rng = np.random.default_rng(0)
    rows = [("cook", s, s + 1.0) for s in rng.uniform(0, 9, 14)] + [("dig", s, s + 1.5) for s in rng.uniform(0, 3, 6)]
    rows += [("dig", 90.0, 91.0), ("lost", 1.0, 2.0)]
    videos = {uid: VideoFile(path) for uid, path in small_videos.items()} | {"lost": VideoFile(None)}
    out = tmp_path_factory.mktemp("written") / "shards"
    job = ShardJob(make_clips(rows), videos, out, profile("train"), clips_per_shard=5, num_verbs=3, num_nouns=5)
    seen = []
    summary = write_shards(job, lambda *stage: seen.append(stage))
    return job, summary, seen, contents(out)


def test_summary_progress_and_files(written):
    _, summary, seen, files = written
    assert (summary.samples, summary.failed, summary.already_done) == (20, 1, False)
    assert summary.waiting == {"lost": 1} and files["waiting.csv"] == b"video_uid,clips\nlost,1\n"
    assert summary.bytes == sum(len(data) for name, data in files.items() if name.endswith(".tar"))
    assert seen[0] == ("cutting clips", 0, 21) and seen[-1] == ("cutting clips", 21, 21)
    assert seen[0][0].note == "" and "h of video/h, 1 failed" in seen[-1][0].note
    assert sum(name.endswith(".tar") for name in files) == summary.shards > 3
    tables = {"index.parquet", "manifest.json", "failed.parquet", "waiting.csv"}
    assert {name for name in files if not name.endswith(".tar")} == tables


def test_every_clip_is_a_sample_or_a_failure_with_a_reason_or_waits(written):
    job, *_ = written
    index, failed = pq.read_table(job.out / "index.parquet"), pq.read_table(job.out / "failed.parquet").to_pylist()
    found = index["key"].to_pylist() + [row["key"] for row in failed]
    waiting = [row["key"] for row in job.clips.to_pylist() if row["video_uid"] == "lost"]
    assert sorted(found + waiting) == sorted(job.clips["key"].to_pylist())
    assert {row["video_uid"]: row["reason"] for row in failed} == {"dig": "no frames in window"}


def test_samples_hold_what_the_table_says_and_what_cutting_yields(written):
    job, *_ = written
    index = ShardIndex.open(job.out)
    table = {row["key"]: row for row in job.clips.to_pylist()}
    for uid in ("cook", "dig"):
        rows = [row for row in table.values() if row["video_uid"] == uid]
        windows = [(row["key"], row["clip_start"], row["clip_end"]) for row in rows]
        for key, clip in cut_clips(job.videos[uid].path, windows, job.profile):
            if not hasattr(clip, "members"):
                continue
            sample = index.find(key)
            assert index.read_video(sample) == clip.members[0]
            stored = json.loads(index.read_json(sample))
            expected = {name: table[key][name] for name in stored if name not in ("frame_count", "fps")}
            assert stored == expected | {"frame_count": clip.frame_count, "fps": clip.fps}
            assert list(stored) == sorted(stored) and len(stored) == 15


def test_index_rows_agree_with_the_table(written):
    job, *_ = written
    index = ShardIndex.open(job.out)
    table = {row["key"]: row for row in job.clips.to_pylist()}
    keys = [index.key(i) for i in range(len(index))]
    for i, key in enumerate(keys):
        row, source = index.row(i), table[key]
        for name in ("video_uid", "clip_text", "text", "clip_start", "clip_end", "narration_source", "neighbourhood"):
            assert getattr(row, name) == source[name]
        assert (row.tag_verb.tolist(), row.tag_noun.tolist()) == (source["tag_verb"], source["tag_noun"])
        names = {other["clip_idx"]: other["key"] for other in table.values()}
        expected = [names[idx] for idx in source["negatives"] if names[idx] in keys]
        assert [keys[n] for n in row.negatives] == expected
        assert row.negatives.dtype == np.int64 and row.shard_path.is_file()
    hoods = list(zip(index.shard.tolist(), index.neighbourhood.tolist(), strict=True))
    assert hoods == sorted(hoods), "neighbourhoods stand together and in order"
    assert any(a[0] == b[0] and a[1] != b[1] for a, b in pairwise(hoods)), "a shard may hold several"
    assert all(len({shard for shard, hood in hoods if hood == one}) == 1 for _, one in hoods)


def test_index_is_picklable_and_knows_its_folder(written):
    job, *_ = written
    index = ShardIndex.open(job.out)
    again = pickle.loads(pickle.dumps(index))
    assert again.fingerprint == index.fingerprint and again.read_video(3) == index.read_video(3)
    assert (len(index), index.num_verbs, index.num_nouns) == (20, 3, 5)
    with pytest.raises(IndexError):
        index.row(20)
    with pytest.raises(InputError, match="no clip 'x'"):
        index.find("x")
    with pytest.raises(InputError, match=r"manifest\.json is not there"):
        ShardIndex.open(job.out.parent)


FORKED = """
import os, sys
from egocurate.shards.read.index import ShardIndex
index = ShardIndex.open(sys.argv[1])
expected = [index.read_video(i) for i in range(len(index))]
if (child := os.fork()) == 0:
    os._exit(0 if [index.read_video(i) for i in range(len(index))] == expected else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_forked_workers_read_the_same_bytes(written):
    """Forked from a program of its own: what else has run in a process of tests may not survive a fork."""
    job, *_ = written
    subprocess.run([sys.executable, "-c", FORKED, job.out], check=True, timeout=60)


def test_threads_read_the_same_bytes_with_more_shards_than_open_files(written, monkeypatch):
    job, *_ = written
    monkeypatch.setattr("egocurate.shards.read.open_files.OPEN_FILES", 1)
    index = ShardIndex.open(job.out)
    expected = [index.read_video(i) for i in range(len(index))]
    wrong = []

    def read(seed):
        for i in np.random.default_rng(seed).integers(0, len(index), 300).tolist():
            if index.read_video(i) != expected[i]:
                wrong.append(i)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_webdataset_and_tarfile_read_the_shards(written):
    import webdataset

    job, *_ = written
    paths = sorted(str(path) for path in job.out.glob("*.tar"))
    index = ShardIndex.open(job.out)
    samples = list(webdataset.WebDataset(paths, shardshuffle=False).decode())
    assert [sample["__key__"] for sample in samples] == [index.key(i) for i in range(len(index))]
    assert [sample["mp4"] for sample in samples] == [index.read_video(i) for i in range(len(index))]
    assert samples[0]["json"]["clip_text"] == index.row(0).clip_text
    with tarfile.open(paths[0]) as archive:
        assert archive.getnames()[:2] == [f"{index.key(0)}.json", f"{index.key(0)}.mp4"]


def test_the_same_plan_gives_the_same_bytes_and_a_second_run_changes_nothing(written, tmp_path):
    job, _, _, files = written
    shuffled = job.clips.take(np.random.default_rng(1).permutation(len(job.clips)))
    other = replace(job, clips=shuffled, out=tmp_path / "again")
    write_shards(other)
    assert contents(other.out) == files
    again = write_shards(other)
    assert again.already_done and (again.samples, again.failed, again.waiting) == (20, 1, {"lost": 1})
    assert contents(other.out) == files


def test_shards_that_were_lost_or_cut_short_are_written_again_and_the_others_kept(written, tmp_path):
    job, _, _, files = written
    job = replace(job, out=tmp_path / "shards")
    job.out.mkdir()
    for name, data in files.items():
        (job.out / name).write_bytes(data)
    (job.out / "egoclip-000000.tar").unlink()
    (job.out / "egoclip-000002.tar").write_bytes(files["egoclip-000002.tar"][:-512])
    kept = (job.out / "egoclip-000001.tar").stat().st_ino
    (job.out / ".part-123-egoclip-000000.tar").write_bytes(b"left by a run that was killed")
    assert not write_shards(job).already_done
    assert contents(job.out) == files
    assert (job.out / "egoclip-000001.tar").stat().st_ino == kept


def spoiled_copy(written, out):
    job, _, _, files = written
    out.mkdir()
    for name, data in files.items():
        (out / name).write_bytes(data)
    (out / "egoclip-000001.tar").unlink()
    return replace(job, out=out), files


def test_what_is_whole_is_known_by_the_index_and_needs_no_notes(written, tmp_path, monkeypatch):
    job, files = spoiled_copy(written, tmp_path / "shards")
    noted = []

    def listed(folder):
        noted.extend(path.name for path in folder.unfinished.glob("*.tar.json"))
        publish(folder)

    monkeypatch.setattr(write_shards_module, "publish", listed)
    assert write_shards(job).new_samples and noted == ["egoclip-000001.tar.json"]
    assert contents(job.out) == files


def test_a_rerun_after_a_lost_tar_that_is_stopped_goes_on(written, tmp_path):
    job, files = spoiled_copy(written, tmp_path / "shards")

    def stop(*stage):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            write_shards(job, stop)
        assert not (job.out / "manifest.json").exists()
    seen = []
    write_shards(job, lambda *stage: seen.append(stage))
    assert seen[0][1] > 10, "what was finished is not done again"
    assert contents(job.out) == files


def test_an_index_that_was_changed_does_not_tell_what_is_whole(written, tmp_path):
    job, _ = spoiled_copy(written, tmp_path / "shards")
    with (job.out / "index.parquet").open("ab") as file:
        file.write(b" ")
    before = contents(job.out)
    with pytest.raises(InputError, match=r"index\.parquet is not what was written: run `curate verify --repair`"):
        write_shards(job)
    assert contents(job.out) == before


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda job: replace(job, profile=profile("native")), "profile"),
        (lambda job: replace(job, clips_per_shard=6), r"clips per shard \(5 there, 6 now\)"),
        (lambda job: replace(job, num_nouns=6), "classes"),
        (lambda job: replace(job, clips=job.clips.slice(1)), "clips"),
        (lambda job: replace(job, clips=changed(job.clips, "clip_end", lambda value: value + 2e-6)), "windows"),
        (lambda job: replace(job, clips=changed(job.clips, "text", lambda value: value + "!")), "texts"),
        (lambda job: replace(job, clips=changed(job.clips, "tag_noun", lambda value: value[:1])), "tags"),
        (lambda job: replace(job, clips=changed(job.clips, "negatives", lambda value: value[1:])), "negatives"),
    ],
)
def test_another_plan_in_the_folder_is_refused_and_what_differs_is_named(written, change, named):
    job, _, _, files = written
    with pytest.raises(InputError, match=f"what differs: .*{named}"):
        write_shards(change(job))
    assert contents(job.out) == files


def changed(clips: pa.Table, name: str, change) -> pa.Table:
    values = [change(value) for value in clips[name].to_pylist()]
    return clips.set_column(
        clips.column_names.index(name), clips.schema.field(name), pa.array(values, clips.schema.field(name).type)
    )


def test_plan_does_not_depend_on_how_the_table_lies_in_memory(job):
    whole = make_shard_plan(job)
    pieces = pa.concat_tables([job.clips.slice(9), job.clips.slice(0, 4), job.clips.slice(4, 5)])
    assert make_shard_plan(replace(job, clips=pieces)).planned == whole.planned
    nudged = changed(job.clips, "clip_start", lambda value: value + 1e-9)
    assert make_shard_plan(replace(job, clips=nudged)).planned["windows"] == whole.planned["windows"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda job: replace(job, videos={}), "none of the 3 videos of these clips is on disk"),
        (
            lambda job: replace(job, videos={"cook": VideoFile(Path("/nowhere/cook.mp4"))}),
            "looked for /nowhere/cook.mp4",
        ),
        (lambda job: replace(job, clips=job.clips.slice(0, 0)), "no rows"),
        (lambda job: replace(job, clips=pa.concat_tables([job.clips, job.clips])), "twice"),
        (lambda job: replace(job, clips=job.clips.drop_columns(["negatives"])), "no column negatives"),
        (lambda job: replace(job, clips=changed(job.clips, "text", lambda _: None)), "22 rows without text"),
        (
            lambda job: replace(job, clips=changed(job.clips, "clip_end", lambda _: float("nan"))),
            "clip_end that is not a number",
        ),
    ],
)
def test_jobs_that_cannot_be_planned_are_refused_before_anything_is_written(job, change, message):
    with pytest.raises(InputError, match=message) as caught:
        write_shards(change(job))
    assert "\n" not in str(caught.value)
    assert not job.out.exists()


def test_a_folder_with_other_tars_or_another_run_at_work_is_refused(job):
    job.out.mkdir()
    with locked(job.out), pytest.raises(InputError, match="another run is writing"):
        write_shards(job)
    (job.out / "mine.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"mine\.tar but no manifest"):
        write_shards(job)


def test_a_place_that_is_no_folder_is_refused(job):
    job.out.write_text("a file")
    with pytest.raises(InputError, match="is a file; name a folder"):
        write_shards(job)


def test_of_stereo_video_the_left_half_is_stored(job):
    job.out.mkdir()
    videos = {uid: replace(video, is_stereo=True) for uid, video in job.videos.items()}
    task = ShardTask(job.out / "a.tar", job.out / "a.json", make_shard_plan(job).rows(0), videos, job.profile)
    build_shard(task)
    with tarfile.open(task.tar) as archive, av.open(archive.extractfile(archive.getmembers()[1])) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (32, 48)


def test_a_shard_of_which_nothing_survives_is_an_empty_archive(ray_up, small_videos, make_clips, tmp_path):
    import webdataset

    from egocurate.shards.write.job import ShardJob

    rows = [("cook", 1.0, 2.0), ("cook", 100.0, 101.0), ("cook", 200.0, 201.0)]
    job = ShardJob(
        make_clips(rows),
        {"cook": VideoFile(small_videos["cook"])},
        tmp_path / "s",
        profile("train"),
        clips_per_shard=1,
        num_verbs=118,
        num_nouns=582,
    )
    summary = write_shards(job)
    assert (summary.samples, summary.failed, summary.shards) == (1, 2, 3)
    paths = sorted(str(path) for path in job.out.glob("*.tar"))
    assert len(list(webdataset.WebDataset(paths, shardshuffle=False))) == 1
    assert len(ShardIndex.open(job.out)) == 1
    assert write_shards(job).already_done


def test_a_video_that_goes_after_planning_and_one_that_is_cut_short_cost_their_own_clips(ray_up, job, tmp_path):
    copies = {uid: tmp_path / f"{uid}.mp4" for uid in ("cook", "dig")}
    for uid, copy in copies.items():
        copy.write_bytes(job.videos[uid].path.read_bytes())
    copies["cook"].write_bytes(copies["cook"].read_bytes()[:-3000])
    job = replace(job, videos={uid: VideoFile(copy) for uid, copy in copies.items()})
    summary = write_shards(job, lambda *stage: copies["dig"].unlink(missing_ok=True))
    failed = pq.read_table(job.out / "failed.parquet").to_pylist()
    reasons = {uid: {row["reason"] for row in failed if row["video_uid"] == uid} for uid in ("cook", "dig", "lost")}
    assert reasons["dig"] == {"video not on disk"} and not reasons["lost"]
    assert reasons["cook"] <= {"cannot open", "decode error"} and reasons["cook"]
    gone = [row for row in failed if row["video_uid"] == "dig"]
    assert summary.waiting == {"dig": len(gone), "lost": 1} and summary.failed == len(failed) - len(gone)
    assert summary.samples + summary.failed + sum(summary.waiting.values()) == 22


def test_no_clip_survives_at_all(ray_up, small_videos, make_clips, tmp_path):
    from egocurate.shards.write.job import ShardJob

    job = ShardJob(
        make_clips([("cook", 90.0, 91.0)]),
        {"cook": VideoFile(small_videos["cook"])},
        tmp_path / "s",
        profile("train"),
        num_verbs=118,
        num_nouns=582,
    )
    assert write_shards(job).samples == 0
    assert len(ShardIndex.open(job.out)) == 0


# Stands still when the first shard is done, so that the signal always comes midway.
DRIVER = """
import os, pickle, sys, time
from egocurate.ray_session import QUIET
from egocurate.shards.write.write_shards import write_shards
os.environ.update(QUIET)
import ray
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error", object_store_memory=10**8)
def report(stage, done, total):
    print(done, flush=True)
    time.sleep(60 if done else 0)
try:
    write_shards(pickle.load(open(sys.argv[1], "rb")), report)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on_to_the_same_bytes(how, written, tmp_path, make_video):
    job, _, _, files = written
    job = replace(job, out=tmp_path / "shards")
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path / "job.pickle")],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while int(driver.stdout.readline()) == 0:
        pass
    driver.send_signal(how)
    rest = driver.stdout.read()
    driver.wait(timeout=60)
    assert not (job.out / "manifest.json").exists()
    finished = {name: data for name, data in contents(job.out).items() if name.endswith(".tar") and ".part" not in name}
    assert finished and all(files[name] == data for name, data in finished.items())
    if how == signal.SIGINT:
        assert rest.endswith("interrupted\n")
        assert not [name for name in contents(job.out) if ".part-" in name]
    time.sleep(1)
    seen = []
    write_shards(job, lambda *stage: seen.append(stage))
    assert seen[0][1] > 0, "what was finished is not done again"
    assert contents(job.out) == files


def test_a_full_disk_is_one_line_that_says_how_to_go_on(written, tmp_path):
    job, _, _, files = written
    mount = tmp_path / "small"
    mount.mkdir()
    size = sum(len(data) for data in files.values()) // 2
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", mount], capture_output=True).returncode:
        pytest.skip("may not mount a small file system here")
    try:
        job = replace(job, out=mount / "shards")
        with pytest.raises(DiskFull) as caught:
            write_shards(job)
        assert "\n" not in str(caught.value)
        assert "no space left" in str(caught.value) and "run the same command again" in str(caught.value)
        whole = [name for name in contents(job.out) if name.endswith(".tar")]
        assert f"{len(whole)} of {sum(name.endswith('.tar') for name in files)} shards" in str(caught.value)
        assert not [name for name in whole if ".part-" in name]
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        write_shards(job)
        assert contents(job.out) == files
    finally:
        subprocess.run(["umount", mount], check=True)


def test_a_task_without_space_leaves_no_file(job, monkeypatch):
    job.out.mkdir()
    clips = make_shard_plan(job).rows(0)
    task = ShardTask(job.out / "a.tar", job.out / "a.json", clips, job.videos, job.profile)

    def full(self, name, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(build_module.TarShard, "add", full)
        assert build_shard(task).disk_full
    assert list(job.out.iterdir()) == []
    assert not build_shard(task).disk_full
    assert len(ShardNote.read(task.note).keys) == len(clips)


def test_a_few_shards_are_cut_without_ray_to_the_same_bytes(job, written, tmp_path):
    code = (
        "import pickle, sys\n"
        "from egocurate.shards.write.write_shards import write_shards\n"
        "write_shards(pickle.load(open(sys.argv[1], 'rb')))\n"
        "print('ray' in sys.modules)\n"
    )
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "job.pickle")], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == ("False\n", "")
    assert contents(job.out) == written[-1]
