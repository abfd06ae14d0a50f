"""Clips per second and core of a stream, by profile, frames and pixels: `python -m benchmarks.stream_rates`.

    python -m benchmarks.stream_rates --videos FOLDER

FOLDER holds the footage that `benchmarks.peers` cuts. What is measured is the processor time of one process that
decodes, crops and batches, without negatives, so other work on the machine matters little. Profiles and shapes take
turns, and the median of the turns counts. `curate plan` reads the file that this writes, and the page on training shows
what follows from it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import torch

from benchmarks.peers.data import source, write_profile
from egocurate.console import progress
from egocurate.loaders.clip_stream import stream
from egocurate.shards.read.index import ShardIndex
from egocurate.training.plan.feed import RATES

PROFILES = ("train", "fast")
SHAPES = ((4, 224), (16, 224), (16, 288))  # frames and pixels of the recipes: three, as a clip's time has three parts
CLIPS, BATCH, TURNS = 128, 16, 3


def clips_per_core_sec(folder: Path, frames: int, size: int) -> float:
    """Return the clips of an epoch over the processor time that reading them takes, in this process alone.

    It has one thread for tensors, as a worker has: a second one that waits for work counts as processor time.
    """
    torch.set_num_threads(1)
    clips = stream(folder, batch_size=BATCH, frames=frames, size=size, negatives=False, workers=0)
    batches = iter(clips)
    next(batches)  # opens what stays open
    began, read = time.process_time(), 0
    for batch in batches:
        read += len(batch)
    return read / (time.process_time() - began)


def bytes_per_clip(folder: Path) -> int:
    """Return the bytes of a folder's tars over its clips."""
    return sum(path.stat().st_size for path in folder.glob("*.tar")) // len(ShardIndex.open(folder))


def measure(folder: Path, turns: int) -> dict[str, dict[str, object]]:
    """Return of each profile, whose shards are in `folder`, its rates and bytes."""
    cases = [(name, *shape) for name in PROFILES for shape in SHAPES]
    rates: dict[tuple, list[float]] = {case: [] for case in cases}
    with progress() as report:
        for turn in range(turns):
            for number, (name, frames, size) in enumerate(cases):
                rates[name, frames, size].append(clips_per_core_sec(folder / name, frames, size))
                report("reading", turn * len(cases) + number + 1, turns * len(cases))
    return {
        name: {
            "bytes_per_clip": bytes_per_clip(folder / name),
            "rates": [
                {
                    "frames": frames,
                    "size": size,
                    "clips_per_core_sec": round(median(rates[name, frames, size]), 1),
                }
                for frames, size in SHAPES
            ],
        }
        for name in PROFILES
    }


def main() -> None:
    """Cut the footage by each profile, measure, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=Path, required=True, help="folder with the footage")
    parser.add_argument("--out", type=Path, default=RATES, help="file to write")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = source(given.videos, Path(folder))
        for name in PROFILES:
            write_profile(video, name, CLIPS, Path(folder) / name)
        profiles = measure(Path(folder), TURNS)
    record = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "profiles": profiles,
    }
    given.out.write_text(json.dumps(record, indent=1) + "\n")
    print(given.out.read_text())


if __name__ == "__main__":
    main()
