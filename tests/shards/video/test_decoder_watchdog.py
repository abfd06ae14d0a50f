"""A decoder that hangs or crashes costs its video's clips, not the run, and costs the same every time."""

import os
import signal
import time
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from egocurate.shards.video.cut import cut_clips
from egocurate.shards.video.decoder_watchdog import EXIT_HUNG, Watchdog
from egocurate.shards.write import build_shard as build_module
from egocurate.shards.write.build_shard import ShardNote, ShardTask, build_shard, trouble_file
from egocurate.shards.write.job import VideoFile, make_shard_plan
from egocurate.shards.write.write_shards import write_shards


@pytest.fixture
def with_a_pipe(job, tmp_path):
    """The job, and a second one whose `dig` is a pipe: opening it waits for a writer that never comes."""
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    return replace(job, videos=job.videos | {"dig": VideoFile(pipe)}, stall_sec=1.0)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
def test_a_video_that_never_opens_is_given_up_and_the_rest_is_written(ray_up, with_a_pipe, tmp_path):
    summary = write_shards(with_a_pipe)
    failed = pq.read_table(with_a_pipe.out / "failed.parquet").to_pylist()
    hung = [row for row in failed if row["reason"] == "decoder hung"]
    assert {row["video_uid"] for row in hung} == {"dig"} and len(hung) == 7
    assert (summary.samples, summary.failed, summary.waiting) == (14, 7, {"lost": 1})
    assert not (with_a_pipe.out / ".unfinished").exists()
    again = replace(with_a_pipe, out=tmp_path / "again", stall_sec=1.5)
    write_shards(again)
    assert contents(again.out) == contents(with_a_pipe.out)


def run_in_child(task, stop_after=None, how=None) -> int:
    """Build a shard in a child; after `stop_after` results of a video its decoder does `how`. Returns the exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def cut(*args, **options):
        for n, result in enumerate(cut_clips(*args, **options)):
            if n == stop_after:
                how()
            yield result

    build_module.cut_clips = cut
    build_shard(task)
    os._exit(0)


@pytest.fixture
def task(job):
    job.out.mkdir()
    clips = make_shard_plan(replace(job, clips_per_shard=100)).rows(0)
    return ShardTask(job.out / "a.tar", job.out / "a.tar.json", clips, job.videos, job.profile, stall_sec=0.5)


@pytest.mark.slow
def test_clips_that_were_whole_before_the_hang_are_kept_with_the_same_bytes(task):
    assert run_in_child(task) == 0
    whole = ShardNote.read(task.note)
    seen = []
    for _ in range(2):
        task.note.unlink()
        task.tar.unlink()
        trouble_file(task.note).unlink(missing_ok=True)
        assert run_in_child(task, 5, lambda: time.sleep(60)) == EXIT_HUNG
        assert not task.tar.exists()
        # The clips that were whole are cut again and never reach the place where it hangs.
        assert run_in_child(task, 5, lambda: time.sleep(60)) == EXIT_HUNG, "the other video hangs as well"
        assert run_in_child(task, 5, lambda: time.sleep(60)) == 0
        note, data = ShardNote.read(task.note), task.tar.read_bytes()
        seen.append((note, data))
    assert seen[0] == seen[1]
    assert len(note.keys) == 10 and set(note.keys) < set(whole.keys)
    theirs = dict(zip(whole.keys, whole.crc32, strict=True))
    assert all(crc == theirs[key] for key, crc in zip(note.keys, note.crc32, strict=True))
    assert {reason for _, reason, _ in note.failed} == {"decoder hung"}
    assert sorted(note.keys + [key for key, *_ in note.failed]) == sorted(task.clips["key"].to_pylist())


def crash():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_video_that_crashes_the_process_is_found_by_a_careful_task(task):
    careful = replace(task, careful=True)
    assert run_in_child(careful, 3, crash) != 0
    assert run_in_child(careful, 3, crash) != 0
    assert run_in_child(careful, 3, crash) == 0
    note = ShardNote.read(task.note)
    assert len(note.keys) == 6
    assert {reason for _, reason, _ in note.failed} == {"decoder crashed"}


def test_a_careful_task_that_goes_well_writes_what_any_task_writes(task):
    build_shard(task)
    expected = task.tar.read_bytes(), task.note.read_bytes()
    build_shard(replace(task, careful=True))
    assert (task.tar.read_bytes(), task.note.read_bytes()) == expected


def test_a_slow_reader_of_the_clips_is_no_hang(task):
    child = os.fork()
    if child == 0:
        append = build_module._append
        build_module._append = lambda *args: (time.sleep(args[2]["clip_idx"] == 107), append(*args))
        build_shard(task)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_frames_are_progress_though_no_clip_ends():
    child = os.fork()
    if child == 0:
        with Watchdog(0.3, lambda: None) as watchdog:
            for _ in range(20):
                time.sleep(0.05)
                watchdog.beat()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
