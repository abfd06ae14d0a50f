"""What `curate verify --repair` costs where a tar is lost: `python -m benchmarks.huge_repair [--rows N ...]`.

The tars are real, of invented clips with a few bytes for a video; 3.85 M rows are 8 GB. The lost one's videos are gone,
so its clips end as failed: cutting is not what is measured. Memory is what the process shares with no other.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from benchmarks.huge_index import Rows, given_job, measured, peak_bytes, write_clips
from benchmarks.negatives import EGOCLIP_ROWS
from benchmarks.record import figure, write_record
from egocurate.shards.check.repair import repair
from egocurate.shards.shard_format import member_suffixes
from egocurate.shards.video.cut import EncodedClip
from egocurate.shards.write.build_shard import ShardNote, sample_json
from egocurate.shards.write.job import make_shard_plan
from egocurate.shards.write.publish_index import publish
from egocurate.shards.write.shard_folder import ShardFolder
from egocurate.shards.write.tar import TarShard

_VIDEO = b"no video, but as good as one" * 4
_CLIP = EncodedClip((_VIDEO,), 8, 8.0, 0, 0)


def write_shards(folder: Path) -> None:
    """Write a finished folder of the job of `given_job`, as `curate shards` would."""
    job = given_job(folder)
    plan = make_shard_plan(job)
    shards = ShardFolder(job, plan)
    shards.out.mkdir()
    shards.open()
    for shard in range(plan.shards):
        _write_shard(shards, shard)
    publish(shards)
    shards.close()


def _write_shard(folder: ShardFolder, shard: int) -> None:
    note = ShardNote()
    with folder.tar(shard).open("wb") as file:
        tar = TarShard(file)
        for row in folder.plan.rows(shard).to_pylist():
            contents = [sample_json(row, _CLIP), _VIDEO]
            names = [f"{row['key']}.{suffix}" for suffix in member_suffixes("mp4", _CLIP.frame_count)]
            note.keys.append(row["key"])
            note.offsets.append([tar.add(name, content) for name, content in zip(names, contents, strict=True)])
            note.sizes.append([len(content) for content in contents])
            note.crc32.append([zlib.crc32(content) for content in contents])
            note.frame_count.append(_CLIP.frame_count)
            note.fps.append(_CLIP.fps)
        tar.close()
        note.bytes, note.sha256 = tar.bytes, tar.sha256
    folder.note(shard).write_text(json.dumps(vars(note)))


def _repair(folder: Path) -> Rows:
    tars = sorted((folder / "shards").glob("*.tar"))
    tars[len(tars) // 2].unlink()
    began = time.process_time()
    seconds, peak = measured(lambda: repair(given_job(folder)))
    return [
        ("repair after one lost tar", seconds, "s", ""),
        ("repair after one lost tar, CPU time", time.process_time() - began, "s", ""),
        ("repair after one lost tar, own memory", peak / 1e6, "MB", "<= 1500"),
        ("the same with what is mapped and may go at any time", peak_bytes() / 1e6, "MB", ""),
    ]


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[EGOCLIP_ROWS])
    parser.add_argument("--scratch", type=Path)
    parser.add_argument("--step", choices=("write", "repair"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step == "write":
        write_clips(given.scratch, given.rows[0])
        write_shards(given.scratch)
        return
    if given.step == "repair":
        print(json.dumps(_repair(given.scratch)))
        return
    figures = []
    for rows in given.rows:
        with tempfile.TemporaryDirectory(dir=given.scratch) as scratch:
            command = [sys.executable, "-m", "benchmarks.huge_repair", "--rows", str(rows), "--scratch", scratch]
            subprocess.run([*command, "--step", "write"], check=True)
            done = subprocess.run([*command, "--step", "repair"], check=True, capture_output=True, text=True)
        for what, value, unit, target in json.loads(done.stdout):
            figures.append(figure(f"{rows:,} clips: {what}", value, unit, target or None))
    write_record("huge_repair", figures)


if __name__ == "__main__":
    main()
