"""Where a loader worker's time goes: `python -m benchmarks.stages --videos FOLDER`.

One process runs the loader's own functions one after another with a clock between them, over the clips of each
profile, 4 frames at 224; then the same through DataLoader with one worker. Best of some rounds that take turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import torch
import torch.multiprocessing  # teaches ForkingPickler to share tensors

from benchmarks.peers.data import source, write_profile
from benchmarks.record import figure, write_record
from egocurate.loaders.clip_dataset import ClipDataset, Item
from egocurate.loaders.clip_stream import Stream, stream
from egocurate.loaders.config import StreamConfig
from egocurate.loaders.crops import crop_and_resize, random_view
from egocurate.loaders.decode_clip import read_clip
from egocurate.loaders.frame_sampling import frame_sampler
from egocurate.loaders.order.counter_rng import Purpose, generator
from egocurate.loaders.workers.shared_buffers import SharedBuffers
from egocurate.ray_session import ray_session
from egocurate.shards.profiles import PROFILES
from egocurate.shards.read.index import ShardIndex

CLIPS, BATCH, ROUNDS = 128, 32, 3
STAGES = ("draw", "fetch", "fetch and decode", "crop and resize", "collate", "send", "to the device")


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.at = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] += now - self.at
        self.at = now


def measure(videos: Path, scratch: Path) -> list[dict[str, object]]:
    """Return ms per clip of each stage and profile, and of DataLoader with one worker, with and without negatives."""
    torch.set_num_threads(1)
    video = source(videos, scratch)
    with ray_session():
        for name in PROFILES:
            write_profile(video, name, CLIPS, scratch / name)
    best: dict[str, dict[str, float]] = {name: {} for name in PROFILES}
    for _ in range(ROUNDS):
        for name, found in best.items():
            for what, ms in _round(scratch / name).items():
                found[what] = min(ms, found.get(what, ms))
    figures = []
    for name, found in best.items():
        alone = sum(found[stage] for stage in STAGES if stage != "fetch" and stage in found)
        for stage in [stage for stage in STAGES if stage in found]:
            share = {"share": round(found[stage] / alone, 3)}
            figures.append(figure(f"{name}: {stage}", found[stage], "ms/clip") | share)
        figures += [figure(f"{name}: {what}", ms, "ms/clip") for what, ms in found.items() if what not in STAGES]
        figures += _bytes(name, ShardIndex.open(scratch / name))
    return figures


def _bytes(name: str, index: ShardIndex) -> list[dict[str, object]]:
    """Return what a clip's fetch reads, and what the whole sample would be."""
    spans = [index.spans(sample) for sample in range(CLIPS)]
    drawn = sum(spans[sample][member][1] for sample in range(CLIPS) for member in set(_members(index, sample)))
    whole = sum(size for members in spans for _, size in members[1:])
    return [
        figure(f"{name}: fetched", drawn / CLIPS / 1000, "kB/clip"),
        figure(f"{name}: the whole sample", whole / CLIPS / 1000, "kB/clip"),
    ]


def _members(index: ShardIndex, sample: int) -> list[int]:
    """Return the numbers of the members that the first epoch reads of a sample."""
    config = StreamConfig(negatives=False)
    rng = generator(0, 0, Purpose.VIEW, sample)
    indices = frame_sampler(config.pick)(int(index.frame_count[sample]), config.frames, rng)
    return [1] if index.members == "mp4" else sorted(set((indices + 1).tolist()))


def _fetches(index: ShardIndex) -> dict[str, float]:
    """Return ms per clip of reading what is drawn, and every member of its sample but the text, and nothing else."""
    drawn = [_members(index, sample) for sample in range(CLIPS)]
    whole = [range(1, len(index.spans(sample))) for sample in range(CLIPS)]
    found = {}
    for what, members in (("fetch alone of what is drawn", drawn), ("fetch alone of the whole sample", whole)):
        began = time.perf_counter()
        for sample, numbers in enumerate(members):
            index.read_members(sample, numbers)
        found[what] = 1000 * (time.perf_counter() - began) / CLIPS
    return found


def _round(folder: Path) -> dict[str, float]:
    index = ShardIndex.open(folder)
    found = _stages(index) | _fetches(index)
    for negatives in (False, True):
        config = StreamConfig(negatives=negatives, workers=1)
        name = f"DataLoader, 1 worker, {'with' if negatives else 'no'} negatives"
        found[name] = _end_to_end(lambda config=config: stream(folder, batch_size=BATCH, config=config))
    return found


def _stages(index: ShardIndex) -> dict[str, float]:
    config = StreamConfig(negatives=False, workers=0)
    dataset = ClipDataset(index, config)
    clock, device = _Clock(), torch.device("cuda") if torch.cuda.is_available() else None
    buffers = SharedBuffers(1, (BATCH, config.frames, config.size, config.size, 3))
    for first in range(0, CLIPS, BATCH):
        items = []
        for sample in range(first, first + BATCH):
            clock.lap("between")
            row, rng = index.row(sample), generator(0, 0, Purpose.VIEW, sample)
            indices = frame_sampler(config.pick)(row.frame_count, config.frames, rng)
            clock.lap("draw")
            index.read_members(sample, [1] if index.members == "mp4" else (indices + 1).tolist())
            clock.lap("fetch")
            frames = read_clip(index, sample, indices, config.decoder)
            clock.lap("fetch and decode")
            crop_and_resize(
                frames, random_view(rng, *frames.shape[-2:], scale=config.scale, flip=config.flip), config.size
            )
            clock.lap("crop and resize")
            items.append(dataset[0, sample])
        clock.lap("between")
        batch, _ = dataset.collate([Item(item.anchor, None, []) for item in items], buffers.writable(0))
        clock.lap("collate")
        ForkingPickler.dumps(replace(batch, frames=buffers.reference(0)))  # moves the small tensors into shared memory
        clock.lap("send")
        if device is not None:
            batch = batch.pin_memory()
            clock.lap("between")
            batch.to(device)
            torch.cuda.synchronize()
            clock.lap("to the device")
    return {stage: 1000 * clock.seconds[stage] / CLIPS for stage in STAGES if stage in clock.seconds}


def _end_to_end(opened: Callable[[], Stream]) -> float:
    """Return ms per clip shown, after the first batch of the first of three epochs, which pays for starting."""
    data, clips, began = opened(), 0, 0.0
    for epoch in range(3):
        for batch in data.epoch(epoch):
            if not began:
                began = time.perf_counter()
                continue
            clips += len(batch)
    seconds = time.perf_counter() - began
    data.close()
    return 1000 * seconds / clips


def main() -> None:
    """Measure in a temporary folder and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="folder of first-person footage")
    with tempfile.TemporaryDirectory() as scratch:
        write_record("stages", measure(parser.parse_args().videos, Path(scratch)))


if __name__ == "__main__":
    main()
