"""Indexes of 3.85 and 100 million clips: `python -m benchmarks.huge_index [--rows N ...] [--scratch DIR]`.

What opening one costs a process, the first on a machine and any after it, and what the order of an epoch costs a rank;
at EgoClip's size, too, a plan of shards and a run after one lost tar. Each step is a process of its own; its own memory
is what it shares with no other, at the highest. 100 M rows take 60 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.negatives import EGOCLIP_ROWS, write_index
from benchmarks.record import figure, write_record
from benchmarks.shuffle import invent
from egocurate.clip_table import CLIP_SCHEMA
from egocurate.curation.clips.read_clips import read_clips
from egocurate.loaders.order.mixture import Mixture, ShardSet
from egocurate.shards.profiles import profile
from egocurate.shards.read.index import ShardIndex
from egocurate.shards.write.build_shard import ShardNote
from egocurate.shards.write.job import ShardJob, ShardPlan, VideoFile, make_shard_plan
from egocurate.shards.write.publish_index import publish
from egocurate.shards.write.shard_folder import ShardFolder
from egocurate.storage.parquet import write_parquet

HUGE_ROWS, BATCH, STEPS, TAR_BYTES, PIECE = 100_000_000, 512, 2000, 4096, 65_536
CLIPS_FILE = "clips.parquet"
_EVERY_SEC = 0.01


def measure(scratch: Path, rows: int) -> list[dict[str, object]]:
    """Measure an index of so many invented samples, written to `scratch`, each step in a process of its own."""
    write_index(scratch, rows)
    steps = ["first opening", "next opening", "order"] + (["clips", "plan", "lost tar"] if rows <= EGOCLIP_ROWS else [])
    figures = []
    for step in steps:
        command = [sys.executable, "-m", "benchmarks.huge_index", "--step", step, "--rows", str(rows)]
        done = subprocess.run([*command, "--scratch", str(scratch)], check=True, capture_output=True, text=True)
        for what, value, unit, target in json.loads(done.stdout):
            figures.append(figure(f"{rows:,} clips: {what}", value, unit, target or None))
    return figures


Rows = list[tuple[str, float, str, str]]


def _opening(folder: Path, rows: int, name: str) -> Rows:
    seconds, peak = measured(lambda: ShardIndex.open(folder))
    return [(f"{name} of the index", seconds, "s", ""), (f"{name}, own memory", peak / 1e6, "MB", "")]


def _order(folder: Path, rows: int) -> Rows:
    index = ShardIndex.open(folder)
    made: list[Mixture] = []

    def first() -> None:
        made.append(Mixture([ShardSet(index.shard, index.neighbourhood)], (1.0,), seed=0, global_batch=BATCH))
        made[0].batch(made[0].pass_steps[0] // 2)

    seconds, peak = measured(first)
    mixture, steps = made[0], made[0].pass_steps[0]
    epoch_sec, epoch_peak = measured(lambda: mixture.batch(steps + 1))
    few = min(STEPS, steps // 2)
    walk_sec, walk_peak = measured(lambda: [mixture.batch(steps + step) for step in range(few)])
    return [
        ("from an open index to a batch in the midst of an epoch", seconds, "s", "<= 10"),
        ("to a batch of the next epoch", epoch_sec, "s", "<= 10"),
        ("a batch of 512, on the average", 1e3 * walk_sec / few, "ms", ""),
        ("the order, own memory of a rank", max(peak, epoch_peak, walk_peak) / 1e6, "MB", "<= 1000"),
    ]


def write_clips(folder: Path, rows: int) -> Rows:
    """Write a table of so many invented clips to a folder."""
    clips = invented_job(folder / "shards", rows).clips
    with (folder / CLIPS_FILE).open("wb") as file:
        write_parquet(clips, file)
    return [("the clip table, uncompressed", clips.nbytes / 1e6, "MB", "")]


def _plan(folder: Path, rows: int) -> Rows:
    made: list[ShardJob] = []
    read_sec, read_peak = measured(lambda: made.append(given_job(folder)))
    seconds, peak = measured(lambda: make_shard_plan(made[0]))
    return [
        ("the clip table, read and checked", read_sec, "s", ""),
        ("the clip table, read and checked, own memory", read_peak / 1e6, "MB", ""),
        ("a plan of shards", seconds, "s", ""),
        ("a plan of shards, own memory besides the clip table", peak / 1e6, "MB", ""),
        ("read and planned, own memory of the whole process", _own_bytes() / 1e6 + peak / 1e6, "MB", "<= 1500"),
        ("read and planned, with what is mapped and may go at any time", peak_bytes() / 1e6, "MB", ""),
    ]


def _lost_tar(folder: Path, rows: int) -> Rows:
    job = given_job(folder)
    plan = make_shard_plan(job)
    write_invented_shards(job, plan)
    lost = plan.shards // 2
    whole = ShardFolder(job, plan)
    whole.tar(lost).unlink()

    def again() -> None:
        whole.open()
        for shard in whole.missing():
            _write_shard(whole, shard)
        publish(whole)
        whole.close()

    seconds, peak = measured(again)
    return [
        ("a run after one lost tar, without planning and cutting", seconds, "s", ""),
        ("a run after one lost tar, own memory besides the plan's", peak / 1e6, "MB", "<= 1500"),
    ]


def invented_job(out: Path, rows: int) -> ShardJob:
    """Return a job of clips like Ego4D's, of videos that nobody looks for."""
    columns = invent(rows)
    pieces = [np.arange(first, min(rows, first + PIECE)) for first in range(0, rows, PIECE)]
    return _job(pa.concat_tables([_clips(piece, columns.video, columns.neighbourhood) for piece in pieces]), out)


def given_job(folder: Path) -> ShardJob:
    """Return the job of the clip table that `clips` has written to a folder, read as `curate shards` reads it."""
    return _job(read_clips(folder / CLIPS_FILE), folder / "shards")


def _job(clips: pa.Table, out: Path) -> ShardJob:
    videos = {uid: _Present(Path("/nowhere")) for uid in clips["video_uid"].unique().to_pylist()}
    return ShardJob(clips, videos, out, profile("train"), num_verbs=118, num_nouns=582)


class _Present(VideoFile):
    def size(self) -> int:
        return 1


def _clips(row: np.ndarray, video: np.ndarray, neighbourhood: np.ndarray) -> pa.Table:
    uid = [f"{number:036d}" for number in video[row].tolist()]
    text = [f"takes the thing number {number % 5000}" for number in row.tolist()]
    at = (row % 400) * 8.0
    columns = {
        "video_uid": uid,
        "narration_source": ["narration_pass_1"] * len(row),
        "video_dur": np.full(len(row), 3600.0),
        "clip_text": [f"#C C {each}." for each in text],
        "text": text,
        "key": [f"{one}-narration_pass_1-{number:05d}" for one, number in zip(uid, row.tolist(), strict=True)],
        "clip_idx": row,
        "narration_ind": row,
        "clip_end": at + 1.0,
        "neighbourhood": neighbourhood[row],
        "tag_verb": (row % 118)[:, None].tolist(),
        "tag_noun": np.stack([row % 582, (row + 1) % 582], axis=1).tolist(),
        "negatives": np.stack([np.maximum(row - step, 0) for step in range(1, 9)], axis=1).tolist(),
    }
    return pa.table([pa.array(columns.get(f.name, at)).cast(f.type) for f in CLIP_SCHEMA], schema=CLIP_SCHEMA)


def write_invented_shards(job: ShardJob, plan: ShardPlan) -> None:
    """Write a finished folder of the plan, of tars that hold nothing."""
    folder = ShardFolder(job, plan)
    folder.out.mkdir(parents=True)
    folder.open()
    for shard in range(plan.shards):
        _write_shard(folder, shard)
    publish(folder)
    folder.close()


def _write_shard(folder: ShardFolder, shard: int) -> None:
    with folder.tar(shard).open("wb") as file:
        file.truncate(TAR_BYTES)
    keys = folder.plan.keys(shard)
    members = {name: [[0, 0]] * len(keys) for name in ("offsets", "sizes", "crc32")}
    note = ShardNote(TAR_BYTES, "0" * 64, keys, **members, frame_count=[8] * len(keys), fps=[8.0] * len(keys))
    folder.note(shard).write_text(json.dumps(vars(note)))


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of some work, and by how many bytes the process's own memory rose at the highest."""
    before, peak, over = _own_bytes(), 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(_EVERY_SEC):
            peak = max(peak, _own_bytes())

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    try:
        kept = work()
        seconds = time.perf_counter() - began
        peak = max(peak, _own_bytes())
    finally:
        over.set()
        watching.join()
    del kept
    return seconds, peak - before


def _own_bytes() -> int:
    return _status("RssAnon")


def peak_bytes() -> int:
    """Return the process's memory at the highest, with the pages of files that it has mapped."""
    return _status("VmHWM")


def _status(name: str) -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(name)) * 1024


STEPS_BY_NAME: dict[str, Callable[[Path, int], Rows]] = {
    "first opening": lambda folder, rows: _opening(folder, rows, "first opening on a machine"),
    "next opening": lambda folder, rows: _opening(folder, rows, "any opening after it"),
    "order": _order,
    "clips": write_clips,
    "plan": _plan,
    "lost tar": _lost_tar,
}


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[EGOCLIP_ROWS, HUGE_ROWS])
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--step", choices=list(STEPS_BY_NAME), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(STEPS_BY_NAME[given.step](given.scratch, given.rows[0])))
        return
    figures = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
            os.environ["XDG_CACHE_HOME"] = scratch  # where the index is mapped from
            figures += measure(Path(scratch), rows)
    load = figure("load of the machine at the end, 1 min mean", os.getloadavg()[0], "processes")
    write_record("huge_index", [*figures, load])


if __name__ == "__main__":
    main()
